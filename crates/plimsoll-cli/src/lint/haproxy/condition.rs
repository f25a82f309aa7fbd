//! Conditions of HAProxy, evaluated for a path that a client without privileges requests.
//!
//! Such a client has no address, password or certificate that a condition names.
//! The rest of its request, such as the host, is unknown: `None`.

use std::collections::HashMap;

use super::{
    criterion::{Criterion, all, any},
    parse::Line,
};

/// The tests of a section by name.
pub(super) type Acls<'conf> = HashMap<&'conf str, Criterion>;

/// The condition of a line: alternatives, each with terms that must all hold.
#[derive(Debug)]
pub(super) struct Condition<'conf> {
    is_inverted: bool,
    alternatives: Vec<Vec<Term<'conf>>>,
}

#[derive(Debug)]
struct Term<'conf> {
    is_negated: bool,
    test: Test<'conf>,
}

#[derive(Debug)]
enum Test<'conf> {
    Named(&'conf str),
    Inline(Criterion),
}

/// Returns the tests that the lines `acl` of a section define. Lines of one name are alternatives.
pub(super) fn acls(lines: &[Line]) -> Acls<'_> {
    let mut acls = Acls::new();
    for line in lines.iter().filter(|it| it.starts_with(&["acl"])) {
        if let [_, name, test @ ..] = line.words.as_slice() {
            let known = acls.entry(name).or_insert_with(Criterion::never);
            known.or(&Criterion::read(test));
        }
    }
    acls
}

impl<'conf> Condition<'conf> {
    /// Reads the condition at the end of a line. Without one, the line always applies.
    pub(super) fn of(line: &'conf Line) -> Self {
        let words = &line.words;
        let at = words.iter().rposition(|it| it == "if" || it == "unless");
        let mut words = at.map_or(&[][..], |at| &words[at + 1..]);
        let mut alternatives = Vec::new();
        let mut terms = Vec::new();
        let mut is_negated = false;
        while let [first, rest @ ..] = words {
            words = rest;
            let word = first.trim_start_matches('!');
            is_negated ^= (first.len() - word.len()) % 2 == 1;
            let test = match word {
                "" => continue,
                _ if word == "||" || word.eq_ignore_ascii_case("or") => {
                    alternatives.push(std::mem::take(&mut terms));
                    continue;
                }
                "{" => {
                    let end = words.iter().position(|it| it == "}");
                    let (test, rest) = words.split_at(end.unwrap_or(words.len()));
                    words = rest.get(1..).unwrap_or_default();
                    Test::Inline(Criterion::read(test))
                }
                name => Test::Named(name),
            };
            terms.push(Term { is_negated, test });
            is_negated = false;
        }
        alternatives.push(terms);
        Self {
            is_inverted: at.is_some_and(|at| line.words[at] == "unless"),
            alternatives,
        }
    }

    /// Whether it holds for a reserved path.
    pub(super) fn holds(&self, path: &str, acls: &Acls<'_>) -> Option<bool> {
        let terms = |terms: &Vec<Term<'_>>| all(terms.iter().map(|it| it.holds(path, acls)));
        let holds = any(self.alternatives.iter().map(terms));
        holds.map(|holds| holds != self.is_inverted)
    }
}

impl Term<'_> {
    fn holds(&self, path: &str, acls: &Acls<'_>) -> Option<bool> {
        let holds = match &self.test {
            Test::Inline(criterion) => criterion.holds(path),
            Test::Named(name) => match (acls.get(name), *name) {
                (Some(criterion), _) => criterion.holds(path),
                (None, "TRUE") => Some(true),
                (None, "FALSE" | "LOCALHOST") => Some(false),
                (None, _) => None,
            },
        };
        holds.map(|holds| holds != self.is_negated)
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    /// Returns the paths that a frontend with these lines passes on.
    fn exposed(lines: &str) -> Vec<&'static str> {
        let text = format!("frontend a\n{lines}\n default_backend b\nbackend b\n server c d:1\n");
        parse(&text, "a").proxies()[0].exposed.clone()
    }

    #[test]
    fn paths_are_matched_by_each_method() {
        #[track_caller]
        fn check(condition: &str, paths: &[&str]) {
            let allowed = format!(" http-request deny unless {{ {condition} }}");
            assert_eq!(exposed(&allowed), paths, "{condition}");
        }
        check("path /ready /metrics /other", &["/metrics", "/ready"]);
        check("path_beg /ready", &["/ready", "/readyz"]);
        check("path -m beg -i /READY", &["/ready", "/readyz"]);
        check("path_end dyz", &["/readyz"]);
        check("path_sub tric", &["/metrics"]);
        check("path_dir metrics", &["/metrics"]);
        check("path,url_dec,lower -m str -- /ready", &["/ready"]);
        check("path_reg ^/(health|ready)$", &["/health", "/ready"]);
        check("path_reg -i ^/HEALTHZ?$", &["/health", "/healthz"]);
        check(r"path_reg ^/m\w+s$", &["/metrics"]);
        check("path -u 3 -m beg /live /start", &["/livez", "/startupz"]);
        check("path", &[]);
    }

    #[test]
    fn sample_that_the_client_chooses_hides_nothing() {
        let all = exposed("");
        let samples = [
            "urlp(token) -m found",
            "urlp(token) /metrics",
            "url_param(token) -m found",
            "urlp_beg(token) /metrics",
            "urlp_sub(a,b) /",
            "url_ip -m found",
            "url_port gt 1",
            "url_end /metrics",
            "url_reg ^/metrics$",
            "url_sub token",
            "path,field(2,/) metrics",
            "path_len gt 99",
            "path_sub \"${NAME}\"",
            "http_auth_user -m found",
            "http_auth(staff),not",
            "src 0.0.0.0/0",
            "src 8.0.0.0/5 10.0.0.0/8",
            "src,ipmask(24),table_http_req_rate(t) lt 100",
            "src,ipmask(0) 0.0.0.0",
            "path_reg \"^/$API\"",
            "src 0.0.0.0/0.0.0.0",
            "src -m found",
            "src_port gt 1",
            "ssl_c_verify 0",
            "ssl_c_used 0",
        ];
        for sample in samples {
            for condition in ["if", "unless"] {
                let rule = format!(" http-request deny {condition} {{ {sample} }}");
                assert_eq!(exposed(&rule), all, "{rule}");
            }
        }
    }

    #[test]
    fn sample_has_a_path_in_each_form_of_the_request() {
        #[track_caller]
        fn check(condition: &str, is_hidden: bool) {
            let rule = format!(" http-request deny {condition}");
            assert_eq!(!exposed(&rule).contains(&"/metrics"), is_hidden, "{rule}");
        }
        check("if { path -m found }", true);
        check("if { path -m found /other }", true);
        check("unless { path -m found }", false);
        check("unless { path }", true);
        check("if { pathq -m beg /metrics }", true);
        check("if { url_dir metrics }", true);
        check("if { url_sub metrics }", true);
        check("unless { url_beg /api }", true);
        // In HTTP/2 and in the absolute form, a URL begins with the scheme.
        check("if { url_beg /metrics }", false);
        check("if { url_reg ^/metrics }", false);
        check("if { url /metrics }", false);
        check("if { pathq /metrics }", false);
        check("if { url_reg /metrics }", true);
    }

    #[test]
    fn terms_and_alternatives_are_combined() {
        #[track_caller]
        fn check(rules: &str, is_hidden: bool) {
            let lines = format!(
                " acl metrics path /metrics\n acl internal src 10.0.0.0/8\n acl internal src fd00::/8\n\
                 \x20acl shop hdr(host) shop.example.com\n {rules}"
            );
            assert_eq!(!exposed(&lines).contains(&"/metrics"), is_hidden, "{rules}");
        }
        check("http-request deny if metrics", true);
        check("http-request deny if metrics !internal", true);
        check("http-request deny if metrics internal", false);
        check("http-request deny unless internal", true);
        check("http-request deny unless internal or metrics", false);
        check("http-request deny if internal || metrics", true);
        check("http-request deny if ! metrics", false);
        check("http-request deny if !{ path /metrics }", false);
        check("http-request deny if metrics shop", false);
        check("http-request deny unless internal OR metrics", false);
        check("http-request auth unless { http_auth(staff) }", true);
        check(
            "http-request deny unless { http_auth_group(staff) a }",
            true,
        );
        check("http-request deny unless { ssl_c_used }", true);
        check("http-request deny unless { ssl_c_s_dn(cn) -m found }", true);
        check("http-request deny unless { src,ipmask(24) 10.0.0.0 }", true);
        check("http-request deny unless { src 10.0.0.0/255.0.0.0 }", true);
        check("http-request deny unless { src -f /etc/staff }", true);
        check("http-request deny if { path -f /etc/paths }", false);
        check("http-request deny if { path_reg ^/(?!api) }", false);
        check("http-request deny if TRUE", true);
        // Redirects for clients without TLS.
        check(
            "http-request redirect scheme https unless { ssl_fc }",
            false,
        );
        check("http-request redirect scheme https if !{ ssl_fc }", false);
        check("redirect scheme https unless { ssl_fc }", false);
        check("http-request redirect scheme https", true);
        check("redirect location / if metrics", true);
        // The first rule that applies.
        check("http-request allow if metrics\n http-request deny", false);
        check("http-request allow if internal\n http-request deny", true);
        check("http-request allow if shop\n http-request deny", false);
    }
}
