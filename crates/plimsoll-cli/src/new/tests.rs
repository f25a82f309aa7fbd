//! The template as a whole: its markers, its versions, and the files of each choice of options.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::{
    name::Name,
    option::Feature,
    source::{Library, Source},
    strip,
    template::{self, PLACEHOLDER},
};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn library() -> Library {
    let source = Source::parse("1.2", Path::new("/")).unwrap();
    source.library(Path::new("/a/shop"))
}

fn files(name: &str, features: &[Feature]) -> BTreeMap<String, String> {
    let features: BTreeSet<Feature> = features.iter().copied().collect();
    let files = template::files(&Name::parse(name).unwrap(), &features, &library());
    let pairs = files.into_iter().map(|file| (file.path, file.text));
    pairs.collect()
}

/// Returns every choice of options.
fn choices() -> Vec<Vec<Feature>> {
    let choice = |bits: usize| {
        let chosen = Feature::ALL.into_iter().enumerate();
        let chosen = chosen.filter(|(index, _)| bits >> index & 1 == 1);
        chosen.map(|(_, feature)| feature).collect()
    };
    (0..16).map(choice).collect()
}

#[test]
fn markers_are_paired_and_name_an_option() {
    let words: Vec<&str> = Feature::ALL.map(Feature::as_str).into();
    for (path, text) in template::sources() {
        let mut open = None;
        for line in text.lines() {
            let Some((is_begin, word)) = strip::marker(line.trim()) else {
                continue;
            };
            assert!(
                word == "template" || words.contains(&word),
                "{path}: {line}"
            );
            let expected = if is_begin { None } else { Some(word) };
            assert_eq!(open, expected, "{path}: {line}");
            open = is_begin.then_some(word);
        }
        assert_eq!(open, None, "{path}");
    }
}

#[test]
fn no_marker_and_no_other_name_remains() {
    for features in choices() {
        for (path, text) in files("shop", &features) {
            assert!(!path.contains(PLACEHOLDER), "{path}");
            for line in text.lines() {
                assert_eq!(strip::marker(line.trim()), None, "{path}: {line}");
                assert!(!line.contains("# plimsoll new:"), "{path}: {line}");
                assert!(!line.contains(PLACEHOLDER), "{path}: {line}");
            }
        }
    }
}

#[test]
fn option_brings_its_own_files_only() {
    let none = files("shop", &[]);
    for feature in Feature::ALL {
        let option = feature.as_str();
        let with = files("shop", &[feature]);
        assert!(with.len() > none.len(), "{option}");
        for path in with.keys().filter(|path| !none.contains_key(*path)) {
            assert_eq!(
                Feature::of_file(&path.replace("shop", PLACEHOLDER)),
                Some(feature),
                "{path}"
            );
        }
    }
    for (path, text) in none {
        for word in ["sqlx", "redis", "websocket", "otlp"] {
            // Rules and dashboards are those of every service.
            let is_common = path.starts_with("deploy/") || path == "README.md";
            assert!(
                is_common || !text.to_lowercase().contains(word),
                "{path}: {word}"
            );
        }
    }
}

/// A service with Postgres or Redis does not start without its address.
#[test]
fn readme_starts_compose_with_servers_that_are_needed() {
    for choice in choices() {
        let files = files("shop", &choice);
        let readme = &files["README.md"];
        let command = readme.lines().find(|it| it.starts_with("docker compose"));
        for feature in [Feature::Postgres, Feature::Redis] {
            let path = format!("deploy/compose.{}.yml", feature.as_str());
            let is_named = command.unwrap().contains(&format!(" -f {path} "));
            assert_eq!(is_named, choice.contains(&feature), "{command:?}");
            assert_eq!(is_named, files.contains_key(&path), "{path}");
        }
    }
}

#[test]
fn deploy_is_unchanged_for_the_reference_service() {
    let mut compared = 0;
    for (path, text) in files(PLACEHOLDER, &[]) {
        if !path.starts_with("deploy/") {
            continue;
        }
        let original = fs::read_to_string(repository().join(&path)).unwrap();
        let mut is_kept = true;
        let expected: String = original
            .split_inclusive('\n')
            .filter(|line| {
                let marker = strip::marker(line.trim());
                if let Some((is_begin, _)) = marker {
                    is_kept = !is_begin;
                }
                is_kept && marker.is_none() && !line.contains("# plimsoll new: ")
            })
            .collect();
        assert!(text == expected, "{path} differs from the repository");
        compared += 1;
    }
    assert!(compared > 50, "{compared}");
}

/// A file of `deploy/` that is in neither list would be forgotten.
#[test]
fn every_file_of_deploy_is_derived_or_excluded() {
    let excluded = ["README.md", "checks", "monitoring-test", "test"];
    let derived = files(PLACEHOLDER, &[]);
    for entry in fs::read_dir(repository().join("deploy")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let prefix = format!("deploy/{name}");
        let is_derived = derived.keys().any(|path| path.starts_with(&prefix));
        assert_ne!(is_derived, excluded.contains(&&*name), "{name}");
    }
}

#[test]
fn versions_are_those_of_the_repository() {
    let root = fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let manifest = &files("shop", &Feature::ALL)["Cargo.toml"];
    let dependencies: Vec<&str> = template::dependencies().collect();
    assert!(dependencies.len() > 10, "{dependencies:?}");
    for name in dependencies {
        let line = manifest
            .lines()
            .find(|line| line.starts_with(&format!("{name} = ")));
        let line = line.unwrap_or_else(|| panic!("{name} is missing"));
        assert!(root.lines().any(|other| other == line), "{line}");
    }
    for line in ["edition = \"2024\"", "rust-version = \"1.95\""] {
        assert!(root.contains(line) && manifest.contains(line), "{line}");
    }
}

#[test]
fn components_are_those_of_the_options() {
    let path = "deploy/kubernetes/overlays/prod/kustomization.yaml";
    assert!(!files("shop", &[Feature::Ws])[path].contains("components"));
    let text = &files("shop", &Feature::ALL)[path];
    for line in [
        "components:",
        "  - ../../components/otlp",
        "  - ../../components/redis",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}");
    }
    assert!(!text.contains("components/ws"));
}
