//! Reads what a module declares, imports and names, from its source without tests.
//!
//! This is no parser of Rust. It works on tokens and knows attributes, `use` trees, `mod` declarations,
//! items, and paths that begin with `crate`, `self` or `super`.

use std::collections::BTreeSet;

use crate::lexer::{self, is_word};

/// Keywords that begin an item with a name.
const ITEMS: [&str; 8] = [
    "struct", "enum", "union", "trait", "type", "const", "static", "fn",
];

/// What one file declares, imports and names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Module {
    pub(super) children: Vec<Child>,
    /// The names of its items.
    pub(super) items: BTreeSet<String>,
    pub(super) imports: Vec<Import>,
    /// Paths in code, with their lines.
    pub(super) paths: Vec<(usize, Vec<String>)>,
    /// All words of the code outside of `use` trees.
    pub(super) words: BTreeSet<String>,
}

/// A `mod name;`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Child {
    pub(super) name: String,
    /// Another file for builds without a feature, from a `path` attribute.
    pub(super) other_file: Option<String>,
}

/// One name of a `use` tree.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Import {
    pub(super) line: usize,
    pub(super) path: Vec<String>,
    /// The name it has here, or `*`.
    pub(super) name: String,
    /// Whether the `use` has a visibility.
    pub(super) is_public: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token<'s> {
    text: &'s str,
    line: usize,
}

/// Reads a file.
pub(super) fn module(source: &str) -> Module {
    let code = lexer::split(source).code;
    let tokens = tokens(&code);
    let mut parser = Parser {
        source: source.lines().collect(),
        tokens: &tokens,
        at: 0,
        depth: 0,
        is_public: false,
        module: Module::default(),
    };
    while parser.at < tokens.len() {
        parser.step();
    }
    parser.module
}

/// Splits code into words, `::` and single characters.
fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (line, text) in (1..).zip(code.lines()) {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let length = if rest.starts_with("::") {
                2
            } else if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else {
                first.len_utf8()
            };
            let (token, after) = rest.split_at(length);
            if !first.is_whitespace() {
                tokens.push(Token { text: token, line });
            }
            rest = after;
        }
    }
    tokens
}

struct Parser<'s> {
    source: Vec<&'s str>,
    tokens: &'s [Token<'s>],
    at: usize,
    depth: usize,
    /// Whether the `use` that is read has a visibility.
    is_public: bool,
    module: Module,
}

impl<'s> Parser<'s> {
    fn text(&self, ahead: usize) -> &'s str {
        self.tokens
            .get(self.at + ahead)
            .map_or("", |token| token.text)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |token| token.line)
    }

    fn before(&self) -> &'s str {
        let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        before.map_or("", |token| token.text)
    }

    fn step(&mut self) {
        match self.text(0) {
            "#" if self.text(1) == "[" => {
                if self.attribute() {
                    self.skip_item();
                }
            }
            "use" if self.text(1) != "<" => {
                // `pub use`, or `pub(…) use`.
                self.is_public = matches!(self.before(), "pub" | ")");
                self.at += 1;
                self.tree(&[]);
            }
            "mod" if self.depth == 0 && self.text(2) == ";" => self.child(),
            "crate" | "self" | "super" if self.text(1) == "::" => self.path(),
            "{" => {
                self.depth += 1;
                self.at += 1;
            }
            "}" => {
                self.depth = self.depth.saturating_sub(1);
                self.at += 1;
            }
            word if self.depth == 0 && ITEMS.contains(&word) => {
                self.module.items.insert(self.text(1).to_owned());
                self.at += 1;
            }
            "macro_rules" if self.depth == 0 => {
                self.module.items.insert(self.text(2).to_owned());
                self.at += 1;
            }
            word => {
                self.module.words.insert(word.to_owned());
                self.at += 1;
            }
        }
    }

    /// Skips an attribute. Returns whether what follows exists in tests alone.
    fn attribute(&mut self) -> bool {
        let start = self.at;
        self.at += 2;
        self.skip_to_close();
        let texts: Vec<&str> = self.tokens[start..self.at]
            .iter()
            .map(|it| it.text)
            .collect();
        matches!(
            texts[..],
            ["#", "[", "cfg", "(", "test" | "shuttle", ")", ..]
                | ["#", "[", "cfg", "(", "all", "(", "test", ..]
                | ["#", "[", "test", "]"]
        )
    }

    /// Skips tokens up to the bracket that closes one before them, and that bracket.
    fn skip_to_close(&mut self) {
        let mut depth = 1_usize;
        while self.at < self.tokens.len() && depth > 0 {
            match self.text(0) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Skips an item, a statement, a field or an arm.
    fn skip_item(&mut self) {
        while self.text(0) == "#" && self.text(1) == "[" {
            self.attribute();
        }
        let mut ends_at_brace = true;
        while self.at < self.tokens.len() {
            match self.text(0) {
                "use" | "const" | "static" | "let" => {
                    // `const fn` ends at its body.
                    ends_at_brace = self.text(1) == "fn";
                    self.at += 1;
                }
                ";" | "," => {
                    self.at += 1;
                    return;
                }
                "}" => return,
                open @ ("(" | "[" | "{") => {
                    self.at += 1;
                    self.skip_to_close();
                    if open == "{" && ends_at_brace {
                        return;
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    fn child(&mut self) {
        let name = self.text(1).to_owned();
        self.module.children.push(Child {
            name,
            other_file: self.other_file(),
        });
        self.at += 3;
    }

    /// Reads `path = "…"` in the attributes above a `mod`, from the source, where strings are whole.
    fn other_file(&self) -> Option<String> {
        let above = self.source[..self.line() - 1].iter().rev();
        above
            .take_while(|line| {
                let line = line.trim();
                !line.is_empty() && !line.ends_with([';', '}'])
            })
            .find_map(|line| {
                Some(
                    line.split_once("path = \"")?
                        .1
                        .split('"')
                        .next()?
                        .to_owned(),
                )
            })
    }

    /// Reads a `use` tree.
    fn tree(&mut self, prefix: &[String]) {
        let mut path = prefix.to_vec();
        let line = self.line();
        loop {
            match self.text(0) {
                "::" => self.at += 1,
                "{" => {
                    self.at += 1;
                    while !matches!(self.text(0), "}" | "") {
                        self.tree(&path);
                        if self.text(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "*" => {
                    self.at += 1;
                    self.import(line, path, "*");
                    return;
                }
                "as" => {
                    let name = self.text(1);
                    self.at += 2;
                    self.import(line, path, name);
                    return;
                }
                "," | ";" | "}" | "" => {
                    let name = path.last().cloned().unwrap_or_default();
                    self.import(line, path, &name);
                    return;
                }
                "self" if !path.is_empty() => self.at += 1,
                segment => {
                    path.push(segment.to_owned());
                    self.at += 1;
                }
            }
        }
    }

    fn import(&mut self, line: usize, path: Vec<String>, name: &str) {
        self.module.imports.push(Import {
            line,
            path,
            name: name.to_owned(),
            is_public: self.is_public,
        });
    }

    fn path(&mut self) {
        // The path of a visibility, `pub(in crate::…)`, uses nothing.
        let is_visibility =
            self.before() == "in" && self.at >= 2 && self.tokens[self.at - 2].text == "(";
        let line = self.line();
        let mut path = vec![self.text(0).to_owned()];
        self.at += 1;
        while self.text(0) == "::"
            && self
                .text(1)
                .starts_with(|c: char| c.is_alphabetic() || c == '_')
        {
            path.push(self.text(1).to_owned());
            self.at += 2;
        }
        if !is_visibility {
            self.module.paths.push((line, path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(source: &str) -> Vec<String> {
        let imports = module(source).imports.into_iter();
        imports
            .map(|import| {
                format!(
                    "{}: {} = {}",
                    import.line,
                    import.name,
                    import.path.join("::")
                )
            })
            .collect()
    }

    #[test]
    fn use_trees_are_read() {
        let source = "use std::{fmt, io::{self, Read as _}};\npub(crate) use self::a::*;\n\
            fn f() -> impl Fn() + use<> {}\nuse crate::b as c;\n";
        let expected = [
            "1: fmt = std::fmt",
            "1: io = std::io",
            "1: _ = std::io::Read",
            "2: * = self::a",
            "4: c = crate::b",
        ];
        assert_eq!(imports(source), expected);
    }

    #[test]
    fn imports_with_a_visibility_are_public() {
        let imports = module("pub(crate) use a::{B, C};\nuse d::E;\nfn f(_: C) {}\n");
        let public: Vec<_> = imports.imports.iter().map(|it| it.is_public).collect();
        assert_eq!(public, [true, true, false]);
        assert!(imports.words.contains("C") && !imports.words.contains("B"));
    }

    #[test]
    fn tests_and_docs_are_left_out() {
        let source = "/// [`crate::doc`]\nuse crate::a;\n#[cfg(test)]\nuse crate::b::{c, d};\n\
            #[cfg(test)]\nimpl A { fn x() { crate::e::f(); } }\n#[test]\nfn t() { crate::g(); }\n\
            #[cfg(test)]\nconst K: A = A { b: crate::h };\n#[cfg(test)]\nmod tests;\n\
            #[cfg(any(test, fuzzing))]\nmod kept;\n";
        let module = module(source);
        assert_eq!(imports(source), ["2: a = crate::a"]);
        assert_eq!(module.paths, []);
        let children: Vec<_> = module.children.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(children, ["kept"]);
    }

    #[test]
    fn paths_in_code_are_read() {
        let source =
            "pub(in crate::x) fn f() {\n crate::a::b(super::super::c::D::<u8>::new());\n}\n";
        let paths: Vec<String> = module(source)
            .paths
            .iter()
            .map(|it| it.1.join("::"))
            .collect();
        assert_eq!(paths, ["crate::a::b", "super::super::c::D"]);
    }

    #[test]
    fn children_have_their_other_file() {
        let source = "mod a;\n#[cfg_attr(not(feature = \"x\"), path = \"b/off.rs\")]\nmod b;\n";
        let module = module(source);
        assert_eq!(module.children[0].other_file, None);
        assert_eq!(module.children[1].other_file.as_deref(), Some("b/off.rs"));
    }

    #[test]
    fn items_are_read_at_the_top_alone() {
        let module = module("pub struct A { b: u8 }\nfn c() { const D: u8 = 0; }\n");
        assert_eq!(module.items, ["A".to_owned(), "c".to_owned()].into());
    }
}
