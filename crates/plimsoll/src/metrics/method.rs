//! The closed set of method labels (contract MET-4).

use http::Method;

/// The labels, in the order of [`method_slot`].
pub(super) const LABELS: [&str; 10] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "_OTHER",
];

/// Returns the index of a method's label. Unknown methods share `_OTHER`.
pub(crate) fn method_slot(method: &Method) -> u32 {
    match *method {
        Method::GET => 0,
        Method::HEAD => 1,
        Method::POST => 2,
        Method::PUT => 3,
        Method::DELETE => 4,
        Method::CONNECT => 5,
        Method::OPTIONS => 6,
        Method::TRACE => 7,
        Method::PATCH => 8,
        _ => 9,
    }
}

/// Returns a method's label.
#[cfg(feature = "otlp")]
pub(crate) fn method_label(method: &Method) -> &'static str {
    LABELS[method_slot(method) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_methods_have_labels_and_unknown_ones_share_one() {
        for label in &LABELS[..9] {
            let method = Method::from_bytes(label.as_bytes()).unwrap();
            assert_eq!(LABELS[method_slot(&method) as usize], *label);
        }
        for other in ["get", "PURGE", "GETS"] {
            assert_eq!(
                method_slot(&Method::from_bytes(other.as_bytes()).unwrap()),
                9
            );
        }
    }
}
