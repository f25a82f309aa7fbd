//! The graph of imports between the files of a crate.

use std::collections::{BTreeMap, BTreeSet};

use super::parse::{self, Module};

/// One use of another file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    pub(super) from: String,
    pub(super) to: String,
    /// The first line in `from` that causes it.
    pub(super) line: usize,
}

/// A file of the module tree.
#[derive(Debug)]
struct Node {
    /// Its module, as a path below the root of the crate.
    module: Vec<String>,
    content: Module,
}

/// The files of a crate by their paths, and the file of each module.
#[derive(Debug, Default)]
struct Tree {
    nodes: BTreeMap<String, Node>,
    files: BTreeMap<Vec<String>, String>,
}

/// Returns the imports between the files that the root, `lib.rs`, reaches by `mod`.
pub(super) fn edges(sources: &BTreeMap<String, String>) -> Vec<Edge> {
    let mut tree = Tree::default();
    tree.add("lib.rs", Vec::new(), sources);
    let mut edges = BTreeMap::new();
    for (file, node) in &tree.nodes {
        // A re-export is no use, unless the file uses the name itself.
        let used = node.content.imports.iter();
        let used = used.filter(|it| !it.is_public || node.content.words.contains(&it.name));
        let imports = used.map(|it| (it.line, &it.path));
        let paths = node.content.paths.iter().map(|(line, path)| (*line, path));
        for (line, path) in imports.chain(paths) {
            let Some(target) = tree.resolve(&node.module, path, 0) else {
                continue;
            };
            if target != *file {
                let first = edges.entry((file.clone(), target)).or_insert(line);
                *first = line.min(*first);
            }
        }
    }
    edges
        .into_iter()
        .map(|((from, to), line)| Edge { from, to, line })
        .collect()
}

/// Returns the groups of nodes that use each other in a circle, largest first.
pub(super) fn cycles<'a>(
    edges: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<BTreeSet<&'a str>> {
    let mut uses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in edges {
        uses.entry(from).or_default().insert(to);
    }
    let reachable: BTreeMap<&str, BTreeSet<&str>> = uses
        .keys()
        .map(|from| (*from, reach(from, &uses)))
        .collect();
    let mut groups = BTreeSet::new();
    for (from, reached) in &reachable {
        let back = |to: &&&str| reachable.get(**to).is_some_and(|it| it.contains(from));
        let group: BTreeSet<&str> = reached.iter().filter(back).copied().collect();
        if group.len() > 1 {
            groups.insert(group);
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    groups
}

fn reach<'a>(from: &'a str, uses: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(node) = open.pop() {
        for next in uses.get(node).into_iter().flatten() {
            if reached.insert(*next) {
                open.push(next);
            }
        }
    }
    reached
}

impl Tree {
    /// Adds a file and its children.
    fn add(&mut self, file: &str, module: Vec<String>, sources: &BTreeMap<String, String>) {
        let Some(source) = sources.get(file) else {
            return;
        };
        let content = parse::module(source);
        let folder = match file.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/"),
            None => String::new(),
        };
        let own_folder = if file == "lib.rs" {
            String::new()
        } else {
            format!("{}/", file.trim_end_matches(".rs"))
        };
        for child in &content.children {
            let mut path = module.clone();
            path.push(child.name.clone());
            self.add(
                &format!("{own_folder}{}.rs", child.name),
                path.clone(),
                sources,
            );
            if let Some(other) = &child.other_file {
                self.add(&format!("{folder}{other}"), path, sources);
            }
        }
        // The first file of a module is the one that others import.
        self.files
            .entry(module.clone())
            .or_insert_with(|| file.to_owned());
        self.nodes.insert(file.to_owned(), Node { module, content });
    }

    /// Returns the file that a path leads to, re-exports followed. `None` is another crate.
    fn resolve(&self, from: &[String], path: &[String], depth: usize) -> Option<String> {
        let (first, mut rest) = path.split_first()?;
        let mut module = from.to_vec();
        match first.as_str() {
            "crate" => module.clear(),
            "self" => {}
            "super" => {
                module.pop();
                while let [next, after @ ..] = rest
                    && next == "super"
                {
                    module.pop();
                    rest = after;
                }
            }
            name => {
                module.push(name.to_owned());
                if !self.files.contains_key(&module) {
                    return None;
                }
            }
        }
        while let Some((name, after)) = rest.split_first() {
            let mut child = module.clone();
            child.push(name.clone());
            if self.files.contains_key(&child) {
                module = child;
                rest = after;
                continue;
            }
            let file = self.files.get(&module)?;
            let node = self.nodes.get(file)?;
            if node.content.items.contains(name) || depth > 8 {
                break;
            }
            let exports = node.content.imports.iter();
            let named = exports
                .clone()
                .filter(|it| it.name == *name)
                .map(|it| &it.path);
            let globs = exports.filter(|it| it.name == "*").map(|it| &it.path);
            let target = named
                .filter_map(|path| self.resolve(&module, path, depth + 1))
                .next()
                .or_else(|| {
                    globs
                        .filter_map(|path| self.resolve_in(&module, path, name, depth))
                        .next()
                });
            return target.or_else(|| self.files.get(&module).cloned());
        }
        self.files.get(&module).cloned()
    }

    /// Returns the file that a glob import takes a name from.
    fn resolve_in(
        &self,
        from: &[String],
        glob: &[String],
        name: &str,
        depth: usize,
    ) -> Option<String> {
        let file = self.resolve(from, glob, depth + 1)?;
        let has_item = self.nodes.get(&file)?.content.items.contains(name);
        has_item.then_some(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges_of(files: &[(&str, &str)]) -> Vec<String> {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        let edges = edges(&files.collect());
        edges
            .iter()
            .map(|edge| format!("{} -> {}:{}", edge.from, edge.to, edge.line))
            .collect()
    }

    #[test]
    fn imports_are_resolved_to_files() {
        let found = edges_of(&[
            ("lib.rs", "mod a;\nmod b;\npub use self::a::A;\n"),
            (
                "a.rs",
                "mod c;\npub(crate) use self::c::A;\nuse std::fmt;\n",
            ),
            ("a/c.rs", "pub struct A;\nfn f() { super::super::b::g() }\n"),
            ("b.rs", "use crate::A;\npub fn g() {}\n"),
        ]);
        let expected = ["a/c.rs -> b.rs:2", "b.rs -> a/c.rs:1"];
        assert_eq!(found, expected);
    }

    #[test]
    fn globs_and_other_files_are_resolved() {
        let found = edges_of(&[
            (
                "lib.rs",
                "#[cfg_attr(x, path = \"a/off.rs\")]\nmod a;\nmod b;\n",
            ),
            ("a.rs", "mod c;\nuse self::c::*;\n"),
            ("a/c.rs", "pub struct A;\n"),
            ("a/off.rs", "use super::b;\n"),
            ("b.rs", "use crate::a::A;\n"),
        ]);
        let expected = ["a.rs -> a/c.rs:2", "a/off.rs -> b.rs:1", "b.rs -> a/c.rs:1"];
        assert_eq!(found, expected);
    }

    #[test]
    fn cycles_are_found() {
        let edges = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e")];
        assert_eq!(cycles(edges), [BTreeSet::from(["a", "b", "c"])]);
        assert!(cycles([("a", "b"), ("b", "c")]).is_empty());
    }
}
