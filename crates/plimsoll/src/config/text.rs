//! Text that is safe to print, made from text of the environment.

/// Escapes quotes, backslashes, control characters, line separators and marks that change the
/// direction of writing. A terminal or a log reader could interpret them.
pub(super) fn escaped(text: &str) -> String {
    let quoted = format!("{text:?}");
    // `Debug` of a `str` writes exactly one quote, a single byte, at each end.
    quoted[1..quoted.len() - 1].to_owned()
}
