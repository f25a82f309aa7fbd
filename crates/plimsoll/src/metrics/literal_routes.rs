//! A table of paths that are their own route pattern, such as `/info`, looked up before the router.
//!
//! A hit skips the route-tagging layer (`edge/route.rs`), which boxes the route and its future for
//! every request. Only paths that the router has matched are inserted, once for each method slot.
//! So clients cannot fill the table.
//!
//! [`HttpMetrics`](super::http::HttpMetrics) has a second table, with the patterns of all routes under
//! the method GET.
//!
//! Readers take no lock. If all slots of a hash are taken, the path is not inserted, and its
//! requests take the route-tagging layer.

use std::{fmt, sync::OnceLock};

use http::Method;

use super::{RouteId, method_slot};

/// Segments are allocated when they are used, so a service with few routes needs little memory.
const SEGMENTS: usize = 64;
const SLOTS: usize = 256;

/// The number of slots that a path may have.
const PROBES: usize = 8;

/// The index of a method's label in the metrics. Methods with one label share a handler.
type MethodSlot = u32;

type RouteCell = OnceLock<(MethodSlot, Box<str>, RouteId)>;

/// The longest path that is looked up, in bytes: the hash reads the whole path.
const MAX_PATH: usize = 256;

/// The table of one service.
pub(crate) struct LiteralRoutes([OnceLock<Box<[RouteCell]>>; SEGMENTS]);

impl LiteralRoutes {
    pub(crate) const fn new() -> Self {
        Self([const { OnceLock::new() }; SEGMENTS])
    }

    /// Returns the route of a path that is its own pattern, if it was inserted with such a method.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Option<RouteId> {
        if path.len() > MAX_PATH {
            return None;
        }
        let method = method_slot(method);
        let hash = hash(method, path);
        let slots = self.0[hash % SEGMENTS].get()?;
        for slot in probes(hash) {
            let (known_method, known_path, route) = slots[slot].get()?;
            if *known_method == method && **known_path == *path {
                return Some(*route);
            }
        }
        None
    }

    /// Inserts a path that is its own pattern and has a handler for such a method.
    pub(crate) fn insert(&self, method: &Method, path: &str, route: RouteId) {
        let method = method_slot(method);
        let hash = hash(method, path);
        let segment = &self.0[hash % SEGMENTS];
        let slots = segment.get_or_init(|| (0..SLOTS).map(|_| RouteCell::new()).collect());
        for slot in probes(hash) {
            let (known_method, known_path, _) =
                slots[slot].get_or_init(|| (method, path.into(), route));
            if *known_method == method && **known_path == *path {
                return;
            }
        }
    }
}

/// The slots of a hash in its segment, in probing order.
fn probes(hash: usize) -> impl Iterator<Item = usize> {
    (0..PROBES).map(move |index| (hash / SEGMENTS + index) % SLOTS)
}

/// FNV-1a, folded: fast for short texts. Clients cannot insert paths, so collisions gain nothing.
fn hash(method: MethodSlot, path: &str) -> usize {
    let start = 0xcbf2_9ce4_8422_2325_u64 ^ u64::from(method) << 32;
    let hash = path.bytes().fold(start, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The low 32 bits fit into any usize.
    usize::try_from((hash ^ hash >> 32) & 0xffff_ffff).unwrap_or(0)
}

impl fmt::Debug for LiteralRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LiteralRoutes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inserted_routes_are_found_and_no_others() {
        let routes = LiteralRoutes::new();
        assert_eq!(routes.find(&Method::GET, "/"), None);
        for route in 1..=5000 {
            routes.insert(&Method::GET, &format!("/route/{route}"), route);
        }
        let found = (1..=5000).filter(|route| {
            let found = routes.find(&Method::GET, &format!("/route/{route}"));
            assert!(found.is_none_or(|found| found == *route));
            found.is_some()
        });
        assert!(found.count() > 4900);
        assert_eq!(routes.find(&Method::GET, "/route/0"), None);
        assert_eq!(routes.find(&Method::POST, "/route/1"), None);
    }

    #[test]
    fn full_table_keeps_its_routes() {
        let routes = LiteralRoutes::new();
        for route in 0..100_000 {
            routes.insert(&Method::GET, &format!("/{route}"), route);
        }
        let found = (0..100_000)
            .filter(|route| routes.find(&Method::GET, &format!("/{route}")) == Some(*route));
        let count = found.count();
        assert!((10_000..=SEGMENTS * SLOTS).contains(&count), "{count}");
    }

    #[test]
    fn concurrent_inserts_agree() {
        let routes = LiteralRoutes::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for route in 0..1000 {
                        routes.insert(&Method::GET, &format!("/{route}"), route);
                        assert_eq!(routes.find(&Method::GET, &format!("/{route}")), Some(route));
                    }
                });
            }
        });
    }
}
