//! Services with TLS.

use super::{DEFAULTS, Scenario};

/// A service with TLS. Its time for a handshake is long, so that stalled ones stay.
pub(in crate::verify) const TLS: Scenario = Scenario {
    name: "TLS",
    variables: &[
        ("TLS_CERT_FILE", "{dir}/tls.crt"),
        ("TLS_KEY_FILE", "{dir}/tls.key"),
        ("READ_TIMEOUT", "20s"),
    ],
    certificates: true,
    ..DEFAULTS
};

/// A service with TLS whose clients need certificates.
pub(in crate::verify) const MUTUAL_TLS: Scenario = Scenario {
    name: "TLS with client certificates",
    variables: &[
        ("TLS_CERT_FILE", "{dir}/tls.crt"),
        ("TLS_KEY_FILE", "{dir}/tls.key"),
        ("TLS_CLIENT_CA_FILE", "{dir}/ca.crt"),
    ],
    certificates: true,
    ..DEFAULTS
};

/// A certificate without a key.
pub(in crate::verify) const HALF_TLS: Scenario = Scenario {
    name: "certificate without key",
    variables: &[("TLS_CERT_FILE", "{dir}/tls.crt")],
    certificates: true,
    ..DEFAULTS
};

/// A certificate that is none.
pub(in crate::verify) const UNUSABLE_TLS: Scenario = Scenario {
    name: "unusable certificate",
    variables: &[
        ("TLS_CERT_FILE", "{dir}/unusable.crt"),
        ("TLS_KEY_FILE", "{dir}/tls.key"),
    ],
    files: &[("unusable.crt", "no certificate\n")],
    certificates: true,
    ..DEFAULTS
};
