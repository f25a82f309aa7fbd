//! The names of secret parameters, shared by queries, error texts and settings.

/// The replacement for a secret value.
pub(crate) const MASK: &str = "***";

/// The built-in names, in lower case and with `_` (contract LOG-3).
const NAMES: [&str; 16] = [
    "token",
    "access_token",
    "refresh_token",
    "id_token",
    "api_key",
    "apikey",
    "password",
    "passwd",
    "secret",
    "client_secret",
    "signature",
    "sig",
    "x_amz_signature",
    "x_amz_security_token",
    "x_amz_credential",
    "x_goog_signature",
];

/// Whether `name` is a built-in name of a secret.
pub(crate) fn is_built_in(name: &[u8]) -> bool {
    NAMES.iter().any(|secret| is_same(name, secret))
}

/// Compares two names. Case and the choice of `-` or `_` are ignored.
pub(crate) fn is_same(name: &[u8], secret: &str) -> bool {
    let normalized = |byte: &u8| match byte {
        b'-' => b'_',
        other => other.to_ascii_lowercase(),
    };
    name.len() == secret.len()
        && name
            .iter()
            .map(normalized)
            .eq(secret.as_bytes().iter().map(normalized))
}
