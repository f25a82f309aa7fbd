//! Services of Compose that extend or override others.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use crate::lint::{
    input,
    yaml::{self, Node, Value},
};
use crate::place::Broken;

/// The most services that extend each other in a chain.
const MAX_CHAIN: usize = 20;

/// Returns a service with everything that it extends.
///
/// # Errors
///
/// If another file cannot be read or parsed, or the chain does not end.
pub(crate) fn merged(document: &Node, key: &str, path: &Path) -> Result<Node, Broken> {
    chain(document, key, path, MAX_CHAIN)
}

fn chain(document: &Node, key: &str, path: &Path, left: usize) -> Result<Node, Broken> {
    let services = document.get("services");
    let Some(service) = services.and_then(|services| services.get(key)) else {
        let what = format!("there is no service {key} to extend");
        return Err(Broken::new(document.place.clone(), what));
    };
    let Some(extends) = service.get("extends") else {
        return Ok(service.clone());
    };
    let Some(left) = left.checked_sub(1) else {
        let what = format!("extends is a circle at the service {key}");
        return Err(Broken::new(extends.place.clone(), what));
    };
    let base = extends
        .text()
        .or_else(|| extends.text_at("service"))
        .unwrap_or(key);
    let base = match extends.text_at("file") {
        None => chain(document, base, path, left)?,
        Some(file) => {
            let folder = path.parent().unwrap_or(Path::new(""));
            let path = input::normal(&folder.join(file));
            let documents = yaml::parse(&input::text(&path)?, &input::shown(&path))?;
            let what = "this file has no document";
            let other = documents.first();
            let other = other.ok_or_else(|| Broken::new(extends.place.clone(), what))?;
            chain(other, base, &path, left)?
        }
    };
    Ok(overlay(&base, service))
}

/// Returns a document with an override, as `docker compose -f base -f override` does.
pub(crate) fn overlay(base: &Node, over: &Node) -> Node {
    let value = match (&*base.value, &*over.value) {
        (Value::Map(base), Value::Map(over)) => {
            let mut entries = base.clone();
            let keys = base.iter().map(|(key, _)| key).zip(0..);
            let index: HashMap<&String, usize> = keys.collect();
            for (key, value) in over {
                match index.get(key) {
                    Some(at) if is_replaced(key) => entries[*at].1 = value.clone(),
                    Some(at) => entries[*at].1 = overlay(&base[*at].1, value),
                    None => entries.push((key.clone(), value.clone())),
                }
            }
            Value::Map(entries)
        }
        (Value::List(base), Value::List(over)) => {
            let known: HashSet<&Node> = base.iter().collect();
            let new = over.iter().filter(|item| !known.contains(item));
            Value::List(base.iter().chain(new).cloned().collect())
        }
        (Value::List(base), Value::Map(over)) => Value::List(
            base.iter()
                .cloned()
                .chain(over.iter().map(assignment))
                .collect(),
        ),
        (Value::Map(base), Value::List(over)) => Value::List(
            base.iter()
                .map(assignment)
                .chain(over.iter().cloned())
                .collect(),
        ),
        _ => return over.clone(),
    };
    Node::new(over.place.clone(), value)
}

/// Whether the later of two values counts alone.
fn is_replaced(key: &str) -> bool {
    matches!(key, "command" | "entrypoint" | "test" | "extends")
}

/// Returns `name: value` of a mapping as `name=value` of a list.
fn assignment((name, value): &(String, Node)) -> Node {
    let text = match value.text() {
        Some(text) => format!("{name}={text}"),
        None => name.clone(),
    };
    Node::new(value.place.clone(), Value::Scalar(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn one(text: &str, file: &str) -> Node {
        yaml::parse(text, file).expect("valid YAML").remove(0)
    }

    #[test]
    fn override_merges_maps_and_appends_lists() {
        let base = one(
            "environment: {A: 1, B: 2}\nports: ['1:1']\ncommand: [a]\n",
            "base",
        );
        let over = one(
            "environment:\n  B: 3\nports: ['2:2']\ncommand: [b]\n",
            "over",
        );
        let merged = overlay(&base, &over);
        assert_eq!(merged.text_at("environment.A"), Some("1"));
        let changed = merged.at("environment.B").unwrap();
        assert_eq!(
            (changed.text(), changed.place.to_string()),
            (Some("3"), "over:2".to_owned())
        );
        assert_eq!(merged.items_at("ports").len(), 2);
        assert_eq!(merged.items_at("command").len(), 1);
    }

    #[test]
    fn list_of_variables_is_merged_with_a_map() {
        let base = one("environment: ['A=1']\n", "base");
        let over = one("environment: {A: 2}\n", "over");
        let merged = overlay(&base, &over);
        let last = merged.items_at("environment")[1].text();
        assert_eq!(last, Some("A=2"));
    }

    #[test]
    fn service_extends_another_one() {
        let stack = one(
            "services:\n  a: {extends: b, x: 1}\n  b: {extends: {service: c}}\n  c: {y: 2}\n",
            "a",
        );
        let service = merged(&stack, "a", Path::new("a")).unwrap();
        assert_eq!(service.text_at("y"), Some("2"));
        assert_eq!(service.text_at("x"), Some("1"));
    }

    #[test]
    fn circle_and_missing_service_are_errors() {
        let stack = one(
            "services:\n  a: {extends: b}\n  b: {extends: a}\n  c: {extends: d}\n",
            "a",
        );
        let circle = merged(&stack, "a", Path::new("a")).unwrap_err();
        assert!(circle.what.contains("circle"));
        assert!(
            merged(&stack, "c", Path::new("a"))
                .unwrap_err()
                .what
                .contains("no service d")
        );
        let stack = one(
            "services:\n  a: {extends: {file: /nonexistent, service: b}}\n",
            "a",
        );
        let missing = merged(&stack, "a", Path::new("a")).unwrap_err();
        assert_eq!(missing.place.file.as_ref(), "/nonexistent");
    }
}
