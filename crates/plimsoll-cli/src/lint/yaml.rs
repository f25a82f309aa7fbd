//! YAML as a tree whose nodes have their line.
//!
//! Scalars are text, because `8080` is a port in one place and a name in another.
//! Aliases share their node, and the depth and the nodes behind aliases are limited: a small file can neither fill
//! the memory or the stack, nor take long to compare.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{Hash, Hasher},
    rc::Rc,
};

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::place::{Broken, Place};

/// The deepest tree that is read. Manifests have about 20 levels.
const MAX_DEPTH: usize = 100;

/// The most nodes that the aliases of a file stand for. Compose files with anchors have some hundreds.
const MAX_ALIASED: usize = 100_000;

/// A node, and the line where it begins; in a mapping, the line of its key.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Rc<Value>,
}

/// The content of a node.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for Node {}

impl Hash for Node {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

impl Node {
    /// Returns a node.
    pub(crate) fn new(place: Place, value: Value) -> Self {
        Self {
            place,
            value: Rc::new(value),
        }
    }

    /// Returns the node at a path of keys, such as `spec.template`.
    pub(crate) fn at(&self, path: &str) -> Option<&Self> {
        path.split('.').try_fold(self, |node, key| node.get(key))
    }

    /// Returns the value of a key of a mapping.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let (_, node) = self.entries().iter().find(|(name, _)| name == key)?;
        Some(node)
    }

    /// Returns the text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &*self.value {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the text at a path of keys.
    pub(crate) fn text_at(&self, path: &str) -> Option<&str> {
        self.at(path)?.text()
    }

    /// Returns the entries of a mapping; none for other nodes.
    pub(crate) fn entries(&self) -> &[(String, Self)] {
        match &*self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Returns the items of a list; none for other nodes.
    pub(crate) fn items(&self) -> &[Self] {
        match &*self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// Returns the items of the list at a path of keys.
    pub(crate) fn items_at(&self, path: &str) -> &[Self] {
        self.at(path).map_or(&[], Self::items)
    }

    /// Whether this is a mapping.
    pub(crate) fn is_map(&self) -> bool {
        matches!(*self.value, Value::Map(_))
    }
}

/// Parses all documents of a file.
///
/// # Errors
///
/// If the text is not YAML, or nested too deeply.
pub(crate) fn parse(text: &str, file: &str) -> Result<Vec<Node>, Broken> {
    Builder::new(Place::new(file, 1)).documents(text)
}

/// A collection whose end was not read yet.
struct Open {
    place: Place,
    anchor: usize,
    is_map: bool,
    /// In a mapping, keys and values alternate.
    nodes: Vec<Node>,
    extent: Extent,
}

/// The extent of a tree, in which an alias counts as a copy.
#[derive(Debug, Clone, Copy)]
struct Extent {
    depth: usize,
    nodes: usize,
}

impl Extent {
    const ONE: Self = Self { depth: 1, nodes: 1 };

    /// Adds a tree below the root.
    fn add(&mut self, below: Self) {
        self.depth = self.depth.max(below.depth + 1);
        self.nodes = self.nodes.saturating_add(below.nodes);
    }
}

/// Builds trees from the events of the parser, without recursion.
struct Builder {
    file: Place,
    open: Vec<Open>,
    /// Anchored nodes with their extent. The parser numbers anchors from 1.
    anchors: HashMap<usize, (Node, Extent)>,
    /// The nodes that aliases stand for.
    aliased: usize,
    documents: Vec<Node>,
}

impl Builder {
    fn new(file: Place) -> Self {
        Self {
            file,
            open: Vec::new(),
            anchors: HashMap::new(),
            aliased: 0,
            documents: Vec::new(),
        }
    }

    fn documents(mut self, text: &str) -> Result<Vec<Node>, Broken> {
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| {
                let what = format!("this is not YAML: {}", error.info());
                Broken::new(self.file.at(error.marker().line()), what)
            })?;
            self.event(event, self.file.at(span.start.line().max(1)))?;
        }
        Ok(self.documents)
    }

    fn event(&mut self, event: Event<'_>, place: Place) -> Result<(), Broken> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let is_null = matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = if style == ScalarStyle::Plain && is_null {
                    Value::Null
                } else {
                    Value::Scalar(text.into_owned())
                };
                self.add(Node::new(place, value), anchor, Extent::ONE)
            }
            Event::SequenceStart(anchor, _) => self.start(place, anchor, false),
            Event::MappingStart(anchor, _) => self.start(place, anchor, true),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => self.end(open),
                None => Ok(()),
            },
            Event::Alias(anchor) => {
                let (node, extent) = self.anchors.get(&anchor).cloned().ok_or_else(|| {
                    Broken::new(place.clone(), "an alias refers to itself or to no anchor")
                })?;
                self.aliased = self.aliased.saturating_add(extent.nodes);
                if self.aliased > MAX_ALIASED {
                    let what =
                        format!("the aliases up to here stand for more than {MAX_ALIASED} nodes");
                    return Err(Broken::new(place, what));
                }
                self.add(Node { place, ..node }, 0, extent)
            }
            _ => Ok(()),
        }
    }

    fn start(&mut self, place: Place, anchor: usize, is_map: bool) -> Result<(), Broken> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(place));
        }
        self.open.push(Open {
            place,
            anchor,
            is_map,
            nodes: Vec::new(),
            extent: Extent::ONE,
        });
        Ok(())
    }

    fn end(&mut self, open: Open) -> Result<(), Broken> {
        let value = if open.is_map {
            Value::Map(entries(open.nodes))
        } else {
            Value::List(open.nodes)
        };
        self.add(Node::new(open.place, value), open.anchor, open.extent)
    }

    fn add(&mut self, node: Node, anchor: usize, extent: Extent) -> Result<(), Broken> {
        if extent.depth > MAX_DEPTH {
            return Err(too_deep(node.place));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), extent));
        }
        match self.open.last_mut() {
            Some(open) => {
                open.extent.add(extent);
                open.nodes.push(node);
            }
            None => self.documents.push(node),
        }
        Ok(())
    }
}

fn too_deep(place: Place) -> Broken {
    Broken::new(place, format!("nested in more than {MAX_DEPTH} levels"))
}

/// Returns the entries of a mapping. The last of equal keys wins; `<<` adds the keys that are missing.
fn entries(nodes: Vec<Node>) -> Vec<(String, Node)> {
    let mut nodes = nodes.into_iter();
    let mut entries: Vec<(String, Node)> = Vec::new();
    let mut index: HashMap<String, usize> = HashMap::new();
    let mut merged = Vec::new();
    while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
        match key.text() {
            Some("<<") if value.is_map() => merged.push(value),
            Some("<<") => merged.extend_from_slice(value.items()),
            Some(name) => {
                let value = Node {
                    place: key.place.clone(),
                    ..value
                };
                match index.entry(name.to_owned()) {
                    Entry::Occupied(known) => entries[*known.get()].1 = value,
                    Entry::Vacant(new) => {
                        new.insert(entries.len());
                        entries.push((name.to_owned(), value));
                    }
                }
            }
            None => {}
        }
    }
    for (name, value) in merged.iter().flat_map(Node::entries) {
        if !index.contains_key(name) {
            index.insert(name.clone(), entries.len());
            entries.push((name.clone(), value.clone()));
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn one(text: &str) -> Node {
        let mut documents = parse(text, "a.yml").expect("valid YAML");
        assert_eq!(documents.len(), 1);
        documents.remove(0)
    }

    #[track_caller]
    fn broken(text: &str) -> Broken {
        parse(text, "a.yml").expect_err("broken YAML")
    }

    #[test]
    fn value_has_the_line_of_its_key() {
        let node = one("a: 1\nb:\n  c:\n    - x\n    - y\n");
        assert_eq!(node.at("b.c").unwrap().place.line, 3);
        assert_eq!(node.items_at("b.c")[1].place.line, 5);
        assert_eq!(node.text_at("a"), Some("1"));
    }

    #[test]
    fn anchors_and_merge_keys_are_resolved() {
        let node = one("x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\nz: *x\nw: {<<: [*x, {c: 4}]}\n");
        assert_eq!(node.text_at("y.a"), Some("1"));
        assert_eq!(node.text_at("y.b"), Some("3"));
        assert_eq!(node.text_at("z.b"), Some("2"));
        assert_eq!(node.text_at("w.c"), Some("4"));
    }

    #[test]
    fn documents_and_null_are_distinguished() {
        let documents = parse("a: ~\n---\nb: ''\n---\n", "a.yml").unwrap();
        assert_eq!(*documents[0].get("a").unwrap().value, Value::Null);
        assert_eq!(documents[1].text_at("b"), Some(""));
    }

    #[test]
    fn broken_file_has_a_line() {
        assert_eq!(broken("a: 1\nb: [1\nc: 2\n").place.file.as_ref(), "a.yml");
        assert!(broken("a: 1\nb: [1\nc: 2\n").place.line >= 2);
        assert!(broken("&a [*a]").what.contains("alias"));
    }

    #[test]
    fn depth_is_limited_also_through_aliases() {
        assert!(broken(&"[".repeat(200)).what.contains("100 levels"));
        let mut chain = "- &a0 [x]\n".to_owned();
        for link in 1..200 {
            chain.push_str(&format!("- &a{link} [*a{}]\n", link - 1));
        }
        assert!(broken(&chain).what.contains("100 levels"));
    }

    #[test]
    fn nodes_behind_aliases_are_limited() {
        let mut text = "- &a0 [x]\n".to_owned();
        for link in 1..60 {
            let items = vec![format!("*a{}", link - 1); 10].join(", ");
            text.push_str(&format!("- &a{link} [{items}]\n"));
        }
        let broken = broken(&text);
        assert!(broken.what.contains("100000 nodes"), "{}", broken.what);
        assert_eq!(broken.place.line, 6);
        let same = "*a, ".repeat(10_000);
        assert_eq!(
            one(&format!("- &a [x]\n- [{same}]\n")).items()[1]
                .items()
                .len(),
            10_000
        );
    }

    #[test]
    fn last_of_equal_keys_wins() {
        let node = one("a: 1\nb: 2\na: 3\n");
        assert_eq!(node.entries().len(), 2);
        assert_eq!(node.text_at("a"), Some("3"));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_a_panic(text in any::<String>(), yaml in "[-a: \\[\\]{}&*<>|'\"\n#!?,]{0,60}") {
            let _ = parse(&text, "a");
            let _ = parse(&yaml, "a");
        }
    }
}
