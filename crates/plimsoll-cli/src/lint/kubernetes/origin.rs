//! Finds the line of a rendered node: the files that kustomize has read contain the same value at the same path.

use crate::lint::yaml::{Node, Value};
use crate::place::Place;

/// Returns a rendered object with the lines of its originals. `fallback` is the line of all other nodes.
pub(super) fn locate(rendered: &Node, originals: &[Node], fallback: &Place) -> Node {
    let candidates: Vec<&Node> = originals
        .iter()
        .filter(|it| is_same(rendered, it))
        .collect();
    node(rendered, &candidates, fallback)
}

/// Whether an original has the kind and the name; kustomize adds prefixes and suffixes.
fn is_same(rendered: &Node, original: &Node) -> bool {
    let name = |node: &'_ Node| node.text_at("metadata.name").map(str::to_owned);
    let names = name(rendered).zip(name(original));
    rendered.text_at("kind") == original.text_at("kind")
        && names.is_some_and(|(rendered, original)| rendered.contains(&original))
}

fn node(rendered: &Node, candidates: &[&Node], fallback: &Place) -> Node {
    let equal = candidates.iter().find(|it| **it == rendered);
    let place = equal
        .or(candidates.first())
        .map_or(fallback, |it| &it.place);
    let value = match &*rendered.value {
        Value::Null => Value::Null,
        // An original with another value is not the origin.
        Value::Scalar(text) => {
            let place = equal.map_or(fallback, |it| &it.place).clone();
            return Node::new(place, Value::Scalar(text.clone()));
        }
        Value::Map(entries) => Value::Map(
            entries
                .iter()
                .map(|(key, value)| {
                    let inner: Vec<&Node> =
                        candidates.iter().filter_map(|it| it.get(key)).collect();
                    (key.clone(), node(value, &inner, place))
                })
                .collect(),
        ),
        Value::List(items) => Value::List(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    let inner = candidates
                        .iter()
                        .filter_map(|it| same_item(item, index, it));
                    node(item, &inner.collect::<Vec<_>>(), place)
                })
                .collect(),
        ),
    };
    Node::new(place.clone(), value)
}

/// Returns the item with the same name; of items without names, the one at the same index.
fn same_item<'node>(item: &Node, index: usize, list: &'node Node) -> Option<&'node Node> {
    match item.text_at("name") {
        Some(name) => list
            .items()
            .iter()
            .find(|it| it.text_at("name") == Some(name)),
        None => list.items().get(index),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::yaml::parse;

    #[test]
    fn rendered_value_has_the_line_of_patch_or_base() {
        let read = |text, file| parse(text, file).unwrap().remove(0);
        let base = read(
            "kind: Pod\nmetadata: {name: a}\nspec:\n  grace: 30\n  env:\n    - {name: X, value: 1}\n",
            "base",
        );
        let patch = read(
            "kind: Pod\nmetadata: {name: a}\nspec:\n  env:\n    - name: Y\n      value: 2\n",
            "patch",
        );
        let rendered = read(
            "kind: Pod\nmetadata: {name: a-x1}\nspec:\n  env:\n  - {name: Y, value: 2}\n  - {name: X, value: 1}\n  grace: 30\n  new: 1\n",
            "rendered",
        );
        let fallback = Place::new("kustomization.yaml", 1);
        let located = locate(&rendered, &[patch, base], &fallback);
        let place = |path: &str| located.at(path).unwrap().place.to_string();
        assert_eq!(place("spec.grace"), "base:4");
        let env = located.items_at("spec.env");
        assert_eq!(env[0].get("value").unwrap().place.to_string(), "patch:6");
        assert_eq!(env[1].get("value").unwrap().place.to_string(), "base:6");
        assert_eq!(place("spec.new"), "patch:3");
    }
}
