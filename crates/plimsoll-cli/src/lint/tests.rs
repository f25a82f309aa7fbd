//! Each rule with a file that keeps it, one that breaks it, and one that cannot be read.

mod files;
mod hostile;
mod proxies;
mod reading;
mod services;
mod shutdown;

use std::path::Path;

use harness::Scratch;

use super::{finding::Severity, *};

/// Files in a folder of one test.
struct Folder(Scratch);

impl Folder {
    #[track_caller]
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(Scratch::new());
        for (name, text) in files {
            folder.0.write(name, text);
        }
        folder
    }

    fn lint(&self) -> Report {
        self.lint_with(Vec::new())
    }

    fn lint_with(&self, waivers: Vec<Waiver>) -> Report {
        lint(&[self.0.folder().to_owned()], None, waivers).unwrap()
    }

    /// Returns a path as the report shows it.
    fn shown(&self, place: &Place) -> String {
        let file = Path::new(&*place.file).strip_prefix(self.0.folder());
        format!("{}:{}", file.unwrap().display(), place.line)
    }
}

/// Asserts that files have no finding.
#[track_caller]
fn good(files: &[(&str, &str)]) {
    let report = Folder::new(files).lint();
    assert_eq!(exit(&report), Exit::Success, "{}", report.human());
    assert!(!report.services.is_empty() || report.proxies > 0);
}

/// Asserts that files have one finding, and returns its text.
#[track_caller]
fn bad(files: &[(&str, &str)], rule: &str, place: &str) -> Finding {
    let folder = Folder::new(files);
    let report = folder.lint();
    assert_eq!(report.findings.len(), 1, "{}", report.human());
    assert_eq!(exit(&report), Exit::Findings);
    let finding = report.findings[0].clone();
    assert_eq!(
        (finding.rule, folder.shown(&finding.place).as_str()),
        (rule, place)
    );
    finding
}

/// Asserts that a file is reported as unreadable.
#[track_caller]
fn broken(files: &[(&str, &str)], place: &str, what: &str) {
    let folder = Folder::new(files);
    let report = folder.lint();
    assert_eq!(report.broken.len(), 1, "{}", report.human());
    assert_eq!(exit(&report), Exit::Usage);
    assert_eq!(folder.shown(&report.broken[0].place), place);
    assert!(report.broken[0].what.contains(what), "{}", report.human());
}

/// Asserts that a change of a file breaks a rule.
#[track_caller]
fn changed(files: &[(&str, &str)], from: &str, to: &str, rule: &str, place: &str) -> Finding {
    let name = place.split(':').next().unwrap();
    let mut changed = false;
    let files: Vec<(&str, String)> = files
        .iter()
        .map(|(file, text)| {
            if *file == name && text.contains(from) {
                changed = true;
                (*file, text.replace(from, to))
            } else {
                (*file, (*text).to_owned())
            }
        })
        .collect();
    assert!(changed, "{from} is in {name}");
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    bad(&files, rule, place)
}
