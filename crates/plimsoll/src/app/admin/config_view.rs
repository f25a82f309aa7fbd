//! `/admin/config`: the settings in force, as `--check-config` shows them (contract ADM-16).

use serde_json::{Value, json};

use super::{answer::cut, controls::Controls};

/// The most settings in the view. Services with more are rare, and the first ones are those of the
/// chassis.
const MAX_SETTINGS: usize = 256;

/// The longest value and the longest origin, in bytes.
const MAX_TEXT: usize = 1024;

pub(super) fn view(controls: &Controls) -> Value {
    let entries = controls.report.entries();
    let total = entries.len();
    let settings = entries.take(MAX_SETTINGS).map(|entry| {
        json!({
            "name": entry.name,
            "value": entry.value.map(|value| cut(value, MAX_TEXT)),
            "masked": entry.is_masked,
            "origin": cut(&entry.origin.to_string(), MAX_TEXT),
        })
    });
    let settings: Vec<_> = settings.collect();
    json!({
        "total": total,
        "truncated": settings.len() < total,
        "settings": settings,
    })
}
