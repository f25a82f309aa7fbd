//! Paths that are their own pattern, such as `/info`: found by method and path, before the router.
//!
//! A request whose path is found here skips the layer that tags routes (`edge/route.rs`), which costs
//! a box for the route and one for its future with every request. Only paths that the router
//! has matched get in, and each once for each kind of method, so no client can fill the table.
//!
//! The patterns of all routes are looked up in such a table as well, without a method of their own.
//!
//! Readers take no lock. A place is found by a hash of the path; where all places that it may have
//! are taken, the path stays unknown, and its requests go the longer way.

use std::{fmt, sync::OnceLock};

use http::Method;

use super::{RouteId, method_slot};

/// The table grows by segments, so that a service of a few routes does not pay for thousands.
const SEGMENTS: usize = 64;
const PLACES: usize = 256;

/// How many places a path may have.
const TRIES: usize = 8;

/// The kind of a method, as in its label in the metrics: methods that share one share a handler.
type MethodSlot = u32;

type RouteCell = OnceLock<(MethodSlot, Box<str>, RouteId)>;

/// A path that is longer goes the longer way: it would be read in full only to find its place.
const LONGEST: usize = 256;

/// The table of one service.
pub(crate) struct LiteralRoutes([OnceLock<Box<[RouteCell]>>; SEGMENTS]);

impl LiteralRoutes {
    pub(crate) const fn new() -> Self {
        Self([const { OnceLock::new() }; SEGMENTS])
    }

    /// The route of a path, if it is its own pattern and was matched before with such a method.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Option<RouteId> {
        if path.len() > LONGEST {
            return None;
        }
        let slot = method_slot(method);
        let hash = hash(slot, path);
        let places = self.0[hash % SEGMENTS].get()?;
        for place in places_of(hash) {
            let (with, known, route) = places[place].get()?;
            if *with == slot && **known == *path {
                return Some(*route);
            }
        }
        None
    }

    /// Takes a path in that is its own pattern, and has a handler for such a method.
    pub(crate) fn learn(&self, method: &Method, path: &str, route: RouteId) {
        let slot = method_slot(method);
        let hash = hash(slot, path);
        let segment = &self.0[hash % SEGMENTS];
        let places = segment.get_or_init(|| (0..PLACES).map(|_| RouteCell::new()).collect());
        for place in places_of(hash) {
            let (with, taken, _) = places[place].get_or_init(|| (slot, path.into(), route));
            if *with == slot && **taken == *path {
                return;
            }
        }
    }
}

fn places_of(hash: usize) -> impl Iterator<Item = usize> {
    (0..TRIES).map(move |index| (hash / SEGMENTS + index) % PLACES)
}

/// FNV-1a, folded: quick for texts as short as these. Strangers cannot fill the table, so they gain
/// nothing by collisions.
fn hash(slot: MethodSlot, path: &str) -> usize {
    let start = 0xcbf2_9ce4_8422_2325_u64 ^ u64::from(slot) << 32;
    let hash = path.bytes().fold(start, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The low 32 bits fit into any usize.
    usize::try_from((hash ^ hash >> 32) & 0xffff_ffff).unwrap_or(0)
}

impl fmt::Debug for LiteralRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Known")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learned_is_found_and_nothing_else() {
        let known = LiteralRoutes::new();
        assert_eq!(known.find(&Method::GET, "/"), None);
        for route in 1..=5000 {
            known.learn(&Method::GET, &format!("/route/{route}"), route);
        }
        let found = (1..=5000).filter(|route| {
            let found = known.find(&Method::GET, &format!("/route/{route}"));
            assert!(found.is_none_or(|found| found == *route));
            found.is_some()
        });
        assert!(found.count() > 4900);
        assert_eq!(known.find(&Method::GET, "/route/0"), None);
        assert_eq!(known.find(&Method::POST, "/route/1"), None);
    }

    #[test]
    fn a_full_table_takes_nothing_more_and_keeps_what_it_has() {
        let known = LiteralRoutes::new();
        for route in 0..100_000 {
            known.learn(&Method::GET, &format!("/{route}"), route);
        }
        let found = (0..100_000)
            .filter(|route| known.find(&Method::GET, &format!("/{route}")) == Some(*route));
        let count = found.count();
        assert!((10_000..=SEGMENTS * PLACES).contains(&count), "{count}");
    }

    #[test]
    fn threads_that_learn_at_once_agree() {
        let known = LiteralRoutes::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for route in 0..1000 {
                        known.learn(&Method::GET, &format!("/{route}"), route);
                        assert_eq!(known.find(&Method::GET, &format!("/{route}")), Some(route));
                    }
                });
            }
        });
    }
}
