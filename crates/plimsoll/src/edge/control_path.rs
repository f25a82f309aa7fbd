//! The paths of the operator controls on the admin listener (contract ADM-6).

use crate::metrics::UNMATCHED;

/// The paths, as labels of `admin_requests_total`.
pub(crate) const CONTROL_PATHS: [&str; 16] = [
    "/admin",
    "/admin/bundle",
    "/admin/changes",
    "/admin/checks",
    CHECK,
    "/admin/config",
    "/admin/connections",
    "/admin/drain",
    "/admin/errors",
    "/admin/loglevel",
    "/admin/loglevel/request",
    "/admin/readiness",
    "/admin/requests",
    "/admin/routes",
    "/admin/runtime",
    "/admin/startup",
];

const CHECK: &str = "/admin/checks/{name}";

/// Returns the label of a path below `/admin`; `None` for all other paths.
pub(crate) fn control_label(path: &str) -> Option<&'static str> {
    let below = path.strip_prefix("/admin")?;
    if !below.is_empty() && !below.starts_with('/') {
        return None;
    }
    let exact = CONTROL_PATHS.into_iter().find(|label| *label == path);
    let is_check = || {
        let name = path.strip_prefix("/admin/checks/")?;
        (!name.is_empty() && !name.contains('/')).then_some(CHECK)
    };
    exact.or_else(is_check).or(Some(UNMATCHED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_paths_have_a_bounded_set_of_labels() {
        for path in CONTROL_PATHS {
            assert_eq!(control_label(path), Some(path));
        }
        assert_eq!(control_label("/admin/checks/db"), Some(CHECK));
        for path in ["/admin/", "/admin/x", "/admin/checks/", "/admin/checks/a/b"] {
            assert_eq!(control_label(path), Some(UNMATCHED));
        }
        for path in ["/", "/administration", "/health"] {
            assert_eq!(control_label(path), None);
        }
    }
}
