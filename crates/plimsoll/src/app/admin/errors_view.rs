//! `/admin/errors`: the last ERROR records and panics, in groups (contract ADM-16).

use serde_json::{Value, json};

use super::{answer::time, controls::Controls};
use crate::telemetry::ErrorGroup;

pub(super) fn view(controls: &Controls) -> Value {
    let errors = controls.log.recent_errors();
    let kept = u64::try_from(errors.groups.len()).unwrap_or(u64::MAX);
    let groups: Vec<_> = errors.groups.iter().map(group).collect();
    json!({
        "total": kept.saturating_add(errors.dropped),
        "truncated": errors.dropped > 0,
        "missedRecords": errors.missed,
        "groups": groups,
    })
}

fn group(group: &ErrorGroup) -> Value {
    // A record that is cut, or in the pretty format, is a text.
    let object = (!group.is_cut).then(|| serde_json::from_str::<Value>(&group.record).ok());
    let text = || match group.is_cut {
        true => format!("{}…", group.record).into(),
        false => group.record.as_str().into(),
    };
    json!({
        "name": group.name,
        "message": group.message,
        "count": group.count,
        "firstAt": time(group.first),
        "lastAt": time(group.last),
        "lastRecord": object.flatten().unwrap_or_else(text),
    })
}
