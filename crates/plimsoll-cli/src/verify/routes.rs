//! The routes in `[verify.routes]`: paths of the service with behaviour that checks need.
//!
//! A check that needs a route which is not there is not proven.

use std::collections::BTreeMap;

use crate::{
    place::Broken,
    project::{self, Texts},
};

/// A route that checks need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Route {
    /// GET, which is answered after `{ms}`.
    Slow,
    /// POST, which reads the whole body.
    Upload,
    /// GET, whose body has `{chunks}` parts, each after a pause of `{ms}`.
    Stream,
    /// GET, whose handler panics or throws.
    Panic,
    /// GET, which blocks its thread for `{ms}`.
    Block,
    /// GET, which returns the scheme and host that the client used, such as `https://example.com`.
    Origin,
    /// GET, whose handler opens a span with a field of the value `{number}`.
    Span,
    /// GET, whose handler logs a record at DEBUG, and which is answered with `{status}`.
    Debug,
    /// A WebSocket that returns each message, over HTTP/2 by extended CONNECT.
    Websocket,
}

/// The routes of a service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Routes(BTreeMap<Route, String>);

impl Route {
    const ALL: [Self; 9] = [
        Self::Slow,
        Self::Upload,
        Self::Stream,
        Self::Panic,
        Self::Block,
        Self::Origin,
        Self::Span,
        Self::Debug,
        Self::Websocket,
    ];

    /// Returns the name in the configuration.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Upload => "upload",
            Self::Stream => "stream",
            Self::Panic => "panic",
            Self::Block => "block",
            Self::Origin => "origin",
            Self::Span => "span",
            Self::Debug => "debug",
            Self::Websocket => "websocket",
        }
    }

    /// Returns the names in braces that its path must contain.
    fn placeholders(self) -> &'static [&'static str] {
        match self {
            Self::Slow | Self::Block => &["ms"],
            Self::Stream => &["chunks", "ms"],
            Self::Span => &["number"],
            Self::Debug => &["status"],
            Self::Upload | Self::Panic | Self::Origin | Self::Websocket => &[],
        }
    }

    /// Returns the remedy for a missing route.
    pub(super) fn remedy(self) -> String {
        let name = self.name();
        format!("set {name} in [verify.routes] of plimsoll.toml")
    }

    /// Checks a path, and returns the fault.
    fn fault(self, path: &str) -> Option<String> {
        let name = self.name();
        let expected = self.placeholders();
        let is_path = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_path || path.contains('#') {
            return Some(format!(
                "{name} = {path:?}: expected a path such as /{name}"
            ));
        }
        let missing = expected
            .iter()
            .find(|it| !path.contains(&format!("{{{it}}}")));
        if let Some(missing) = missing {
            let what = format!("expected {{{missing}}}, which is replaced by a number");
            return Some(format!("{name} = {path:?}: {what}"));
        }
        let rest = expected.iter().fold(path.to_owned(), |path, it| {
            path.replace(&format!("{{{it}}}"), "")
        });
        rest.contains(['{', '}'])
            .then(|| format!("{name} = {path:?}: unknown name in braces"))
    }
}

impl Routes {
    /// Reads the section.
    ///
    /// # Errors
    ///
    /// The first line with an unknown route, or with a path that is not of the expected form.
    pub(crate) fn read(texts: &Texts) -> Result<Self, Broken> {
        let mut routes = BTreeMap::new();
        for (name, path) in texts {
            let route = Route::ALL.into_iter().find(|route| route.name() == name);
            let Some(route) = route else {
                let names = Route::ALL.into_iter().map(Route::name);
                return Err(project::unknown(path.place.clone(), "route", name, names));
            };
            if let Some(fault) = route.fault(&path.value) {
                return Err(Broken::new(path.place.clone(), fault));
            }
            routes.insert(route, path.value.clone());
        }
        Ok(Self(routes))
    }

    /// Creates one route for a test of a judgement.
    #[cfg(test)]
    pub(super) fn with(route: Route, path: &str) -> Self {
        Self(BTreeMap::from([(route, path.to_owned())]))
    }

    /// Returns all routes, for tests of judgements.
    #[cfg(test)]
    pub(super) fn all() -> Self {
        Self(Route::ALL.map(|route| (route, "/a".to_owned())).into())
    }

    /// Returns the path of a route, or `None` if the service has none.
    ///
    /// The values replace the names in braces, such as `("ms", 300)`.
    pub(crate) fn path(&self, route: Route, values: &[(&str, u64)]) -> Option<String> {
        let path = self.0.get(&route)?.clone();
        let path = values.iter().fold(path, |path, (name, value)| {
            path.replace(&format!("{{{name}}}"), &value.to_string())
        });
        Some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Project;
    use crate::waivers::Day;

    fn read(routes: &str) -> Result<Routes, Broken> {
        let text = format!("[verify.routes]\n{routes}\n");
        Project::parse(&text, "a.toml", Day::today()).map(|it| it.verify.routes)
    }

    #[test]
    fn placeholders_are_replaced() {
        let routes = read("stream = \"/s?a={ms}&b={chunks}&c={ms}\"").unwrap();
        let path = routes.path(Route::Stream, &[("ms", 5), ("chunks", 2)]);
        assert_eq!(path.as_deref(), Some("/s?a=5&b=2&c=5"));
        assert_eq!(routes.path(Route::Slow, &[("ms", 5)]), None);
    }

    #[test]
    fn wrong_routes_are_errors_with_their_line() {
        #[track_caller]
        fn check(routes: &str, what: &str) {
            let broken = read(routes).unwrap_err();
            assert_eq!(broken.place.to_string(), "a.toml:3");
            assert!(broken.what.contains(what), "{}", broken.what);
        }
        check(
            "\nfast = \"/a\"",
            "unknown route \"fast\": the nearest name is \"slow\"",
        );
        check("\npanic = \"a\"", "expected a path such as /panic");
        check("\npanic = \"/a b\"", "expected a path");
        check("\nslow = \"/slow\"", "expected {ms}");
        check("\nupload = \"/{id}\"", "unknown name in braces");
    }
}
