//! Counts of the requests of a run by method and route.

use std::collections::HashMap;

use super::steps::STEPS;

/// The routes of a service that are counted by name.
const MAX_ROUTES: usize = 500;

/// The route that has all requests beyond, as in the metrics of the chassis.
const OTHER: &str = "_other";

/// The longest name of a route or method, in bytes.
const MAX_NAME: usize = 256;

/// The requests of one route.
#[derive(Debug, Clone)]
pub(crate) struct RouteCounts {
    pub(crate) count: u64,
    pub(crate) client_errors: u64,
    pub(crate) server_errors: u64,
    pub(crate) steps: Box<[u64; STEPS]>,
}

/// The requests of one run of a service.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// By method, then by route, so that a look-up needs no copy of either.
    methods: HashMap<Box<str>, HashMap<Box<str>, RouteCounts>>,
    count: usize,
    bytes: usize,
}

impl Routes {
    pub(super) fn add(&mut self, method: &str, route: &str, step: Option<usize>, status: u16) {
        let (method, route) = (cut(method), cut(route));
        let known = self.methods.get(method).and_then(|it| it.get(route));
        let (method, route) = if known.is_none() && self.count >= MAX_ROUTES {
            (OTHER, OTHER)
        } else {
            (method, route)
        };
        if !self.methods.contains_key(method) {
            self.methods.insert(method.into(), HashMap::new());
        }
        let Some(routes) = self.methods.get_mut(method) else {
            return;
        };
        if !routes.contains_key(route) {
            routes.insert(route.into(), RouteCounts::new());
            self.count += 1;
            self.bytes += size_of::<[u64; STEPS]>() + size_of::<RouteCounts>();
            self.bytes += method.len() + route.len();
        }
        if let Some(counts) = routes.get_mut(route) {
            counts.add(step, status);
        }
    }

    /// Returns all routes, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str, &RouteCounts)> {
        self.methods.iter().flat_map(|(method, routes)| {
            let routes = routes.iter();
            routes.map(|(route, counts)| (method.as_ref(), route.as_ref(), counts))
        })
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl RouteCounts {
    fn new() -> Self {
        Self {
            count: 0,
            client_errors: 0,
            server_errors: 0,
            steps: Box::new([0; STEPS]),
        }
    }

    fn add(&mut self, step: Option<usize>, status: u16) {
        self.count += 1;
        match status {
            400..=499 => self.client_errors += 1,
            500.. => self.server_errors += 1,
            _ => {}
        }
        if let Some(step) = step {
            self.steps[step] += 1;
        }
    }
}

fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_NAME)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_counted_by_method_and_status() {
        let mut routes = Routes::default();
        for (method, status) in [("GET", 200), ("GET", 404), ("GET", 500), ("PUT", 200)] {
            routes.add(method, "/a", Some(7), status);
        }
        let mut all: Vec<_> = routes.all().collect();
        all.sort_by_key(|(method, ..)| *method);
        let (method, route, counts) = all[0];
        assert_eq!((method, route, counts.count), ("GET", "/a", 3));
        assert_eq!((counts.client_errors, counts.server_errors), (1, 1));
        assert_eq!(counts.steps.iter().sum::<u64>(), 3);
        assert_eq!(all[1].0, "PUT");
    }

    #[test]
    fn routes_beyond_the_limit_are_counted_together() {
        let mut routes = Routes::default();
        for number in 0..10_000 {
            routes.add(
                "GET",
                &format!("/{number}{}", "x".repeat(1_000)),
                Some(7),
                200,
            );
        }
        routes.add("GET", &format!("/0{}", "x".repeat(1_000)), Some(7), 200);
        assert_eq!(routes.all().count(), MAX_ROUTES + 1);
        let total: u64 = routes.all().map(|(.., counts)| counts.count).sum();
        assert_eq!(total, 10_001);
        assert!(routes.bytes() < 1 << 20);
    }
}
