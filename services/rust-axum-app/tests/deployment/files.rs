//! Helpers that read the files in `deploy/`.

use std::fs;
use std::path::PathBuf;

use yaml_rust2::{Yaml, YamlLoader, yaml::Hash};

/// Returns the path of a file of the repository.
pub(crate) fn path(relative: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(relative)
}

/// Reads a file of the repository.
#[track_caller]
pub(crate) fn text(relative: &str) -> String {
    fs::read_to_string(path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// Reads a file of the repository with one YAML document.
#[track_caller]
pub(crate) fn yaml(relative: &str) -> Yaml {
    let documents = YamlLoader::load_from_str(&text(relative));
    let mut documents = documents.unwrap_or_else(|error| panic!("{relative}: {error}"));
    assert_eq!(documents.len(), 1, "{relative}");
    documents.remove(0)
}

/// Returns a string of a document.
#[track_caller]
pub(crate) fn string(value: &Yaml) -> &str {
    value.as_str().expect("a text in the manifest")
}

/// Returns the items of a list in a document.
#[track_caller]
pub(crate) fn items(list: &Yaml) -> std::slice::Iter<'_, Yaml> {
    list.as_vec().expect("a list in the manifest").iter()
}

/// Returns the value of the first line `NAME VALUE`, in the syntax of nginx and HAProxy.
#[track_caller]
pub(crate) fn directive<'text>(text: &'text str, name: &str) -> &'text str {
    let value = |line: &'text str| {
        let rest = line.trim().strip_prefix(name)?;
        let rest = rest.strip_prefix([' ', '='])?;
        Some(rest.trim().trim_end_matches(';'))
    };
    text.lines()
        .find_map(value)
        .unwrap_or_else(|| panic!("{name} is not set"))
}

/// Applies a patch to a base, like kustomize.
///
/// Mappings are merged by key, and lists of named items by name. Other values are replaced.
pub(crate) fn merge(base: &Yaml, patch: &Yaml) -> Yaml {
    match (base, patch) {
        (Yaml::Hash(base), Yaml::Hash(patch)) => Yaml::Hash(merge_entries(base, patch)),
        (Yaml::Array(base), Yaml::Array(patch))
            if patch.iter().all(|item| name(item).is_some()) =>
        {
            let mut merged = base.clone();
            for item in patch {
                match merged.iter_mut().find(|other| name(other) == name(item)) {
                    Some(other) => *other = merge(other, item),
                    None => merged.push(item.clone()),
                }
            }
            Yaml::Array(merged)
        }
        _ => patch.clone(),
    }
}

fn merge_entries(base: &Hash, patch: &Hash) -> Hash {
    let mut merged = base.clone();
    for (key, value) in patch {
        let value = match base.get(key) {
            Some(old) => merge(old, value),
            None => value.clone(),
        };
        merged.insert(key.clone(), value);
    }
    merged
}

fn name(item: &Yaml) -> Option<&str> {
    item["name"].as_str()
}

#[test]
fn patch_changes_only_named_items() {
    let load = |text| YamlLoader::load_from_str(text).unwrap().remove(0);
    let base = load("a: 1\nb: {c: [{name: x, v: 1}, {name: y, v: 2}]}\nd: [1, 2]");
    let patch = load("b: {c: [{name: y, v: 3}, {name: z}]}\nd: [3]");
    let expected = load("a: 1\nb: {c: [{name: x, v: 1}, {name: y, v: 3}, {name: z}]}\nd: [3]");
    assert_eq!(merge(&base, &patch), expected);
}
