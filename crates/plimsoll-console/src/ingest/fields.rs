//! Reads one record: a line that is a JSON object.
//!
//! The names of its time, level, message, logger and ids are those of the chassis and its sibling services,
//! of the Elastic Common Schema (flat or nested) and of zap. If several are present, the first in the order
//! of [`Name`] with a usable value is taken.
//! A value that is missing or unusable is `None`. An unusable one stays among the other members.

mod level;
mod name;
mod scalar;
mod time;

use std::{borrow::Cow, fmt};

use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

pub(crate) use self::level::Level;
use self::{
    name::{Member, Name, Names},
    scalar::Scalar,
};

/// The message of an access record (LOG-3).
const ACCESS_MESSAGE: &str = "http_request";

/// The deepest nesting of a record; a reader of rows may not read more.
const MAX_DEPTH: usize = 100;

/// The members of a record that have a meaning. Texts are borrowed from the line where possible.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record<'a> {
    /// Milliseconds since the epoch.
    pub(crate) time: Option<i64>,
    pub(crate) level: Option<Level>,
    pub(crate) message: Option<Cow<'a, str>>,
    pub(crate) target: Option<Cow<'a, str>>,
    pub(crate) id: Option<Cow<'a, str>>,
    pub(crate) trace: Option<Cow<'a, str>>,
    /// What an access record has beside these; empty in others.
    pub(crate) access: Option<AccessFields<'a>>,
    /// The names whose values are in the members above, without those of `access`.
    used: Names,
    /// The names whose values are in `access`.
    used_by_access: Names,
}

/// The members of an access record.
#[derive(Debug, Clone, Default)]
pub(crate) struct AccessFields<'a> {
    pub(crate) status: Option<u16>,
    pub(crate) method: Option<Cow<'a, str>>,
    /// The member `path` of LOG-3: the pattern of the route.
    pub(crate) route: Option<Cow<'a, str>>,
    /// The member `rawPath` of LOG-3.
    pub(crate) path: Option<Cow<'a, str>>,
    pub(crate) query: Option<Cow<'a, str>>,
    pub(crate) ip: Option<Cow<'a, str>>,
    pub(crate) ms: Option<f64>,
    pub(crate) user_agent: Option<Cow<'a, str>>,
    pub(crate) aborted: bool,
}

/// Which members [`Record::others`] leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Without {
    /// Those of every record.
    Leading,
    /// These, and those of an access record.
    Access,
}

impl<'a> Record<'a> {
    /// Reads a line. Returns `None` if it is no JSON object, or too deep.
    pub(crate) fn parse(line: &'a str) -> Option<Self> {
        if !line.trim_ascii_start().starts_with('{') || is_deep(line) {
            return None;
        }
        let mut deserializer = serde_json::Deserializer::from_str(line);
        let reader = deserializer.deserialize_map(ReadRecord).ok()?;
        deserializer.end().ok()?;
        Some(reader.finish())
    }

    /// Returns the members that are not in this record, in the order of the line.
    ///
    /// `process` and `threadName`, which every record of the chassis begins with, are last.
    pub(crate) fn others(&self, line: &'a str, without: Without) -> Vec<(String, Box<RawValue>)> {
        let mut others = Vec::new();
        let mut last = Vec::new();
        each_member(line, |name, value| {
            let known = Name::of(name);
            let is_used = known.is_some_and(|name| {
                self.used.contains(name)
                    || (without == Without::Access && self.used_by_access.contains(name))
            });
            if !is_used {
                let list = match name {
                    "process" | "threadName" => &mut last,
                    _ => &mut others,
                };
                list.push((name.to_owned(), value.to_owned()));
            }
            true
        });
        others.append(&mut last);
        others
    }

    /// Returns true if `is_found` returns true for a text that a row of this line shows.
    ///
    /// These are the names of members that are shown by name, and the values of all: decoded texts, and the
    /// JSON of numbers, lists and objects.
    pub(crate) fn any_text(line: &str, is_found: impl Fn(&str) -> bool) -> bool {
        let mut any = false;
        each_member(line, |name, value| {
            let is_named = Name::of(name).is_none_or(|name| name.member().is_of_access());
            any = (is_named && is_found(name)) || is_found(&decoded(value.get()));
            !any
        });
        any
    }
}

/// Returns true if values are nested more than [`MAX_DEPTH`] times.
fn is_deep(line: &str) -> bool {
    let brackets = memchr::memchr2_iter(b'{', b'[', line.as_bytes());
    if brackets.take(MAX_DEPTH + 1).count() <= MAX_DEPTH {
        return false;
    }
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    for byte in line.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => depth += 1,
            b'}' | b']' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

/// Returns a text without quotes and escapes; another value as it is.
fn decoded(json: &str) -> Cow<'_, str> {
    if !json.contains('\\') {
        let inner = json
            .strip_prefix('"')
            .and_then(|json| json.strip_suffix('"'));
        return Cow::Borrowed(inner.unwrap_or(json));
    }
    match serde_json::from_str::<String>(json) {
        Ok(text) => Cow::Owned(text),
        // A list or an object: its texts without escapes.
        Err(_) => match serde_json::from_str::<serde_json::Value>(json) {
            Ok(value) => Cow::Owned(texts(&value)),
            Err(_) => Cow::Borrowed(json),
        },
    }
}

fn texts(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(values) => {
            let texts: Vec<String> = values.iter().map(texts).collect();
            texts.join(" ")
        }
        serde_json::Value::Object(members) => {
            let texts: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{name} {}", texts(value)))
                .collect();
            texts.join(" ")
        }
        other => other.to_string(),
    }
}

/// Calls `member` with the members of an object, until it returns false.
fn each_member<'a>(line: &'a str, member: impl FnMut(&str, &'a RawValue) -> bool) {
    let mut deserializer = serde_json::Deserializer::from_str(line);
    // The error is the end that `member` wants: the line itself was read before.
    let _ = deserializer.deserialize_map(EachMember(member));
}

struct EachMember<F>(F);

impl<'de, F: FnMut(&str, &'de RawValue) -> bool> Visitor<'de> for EachMember<F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<scalar::Text<'de>>()? {
            if !(self.0)(&name.0, map.next_value()?) {
                return Err(A::Error::custom("no further member is wanted"));
            }
        }
        Ok(())
    }
}

/// The state while members are read: the record, and the name that gave each of its members.
#[derive(Debug, Default)]
struct Reader<'a> {
    record: Record<'a>,
    access: AccessFields<'a>,
    chosen: [Option<Name>; Member::COUNT],
}

impl<'a> Reader<'a> {
    /// Takes a value unless an earlier name has one. Unusable values are not taken.
    fn take(&mut self, name: Name, value: Scalar<'a>) {
        let member = name.member();
        let Some(chosen) = self.chosen.get_mut(member as usize) else {
            return;
        };
        if chosen.is_some_and(|chosen| chosen <= name) {
            return;
        }
        let (record, access) = (&mut self.record, &mut self.access);
        let is_taken = match member {
            Member::Time => set(&mut record.time, value.time()),
            Member::Level => set(&mut record.level, value.level()),
            Member::Message => set(&mut record.message, value.text()),
            Member::Target => set(&mut record.target, value.text()),
            Member::Id => set(&mut record.id, value.id()),
            Member::Trace => set(&mut record.trace, value.trace()),
            Member::Status => set(&mut access.status, value.status()),
            Member::Method => set(&mut access.method, value.text()),
            Member::Route => set(&mut access.route, value.text()),
            Member::Path => set(&mut access.path, value.text()),
            Member::Query => set(&mut access.query, value.text()),
            Member::Ip => set(&mut access.ip, value.text()),
            Member::Ms => set(&mut access.ms, value.milliseconds()),
            Member::UserAgent => set(&mut access.user_agent, value.text()),
            Member::Aborted => match value {
                Scalar::Bool(aborted) => {
                    access.aborted = aborted;
                    true
                }
                _ => false,
            },
        };
        if is_taken {
            *chosen = Some(name);
        }
    }

    fn finish(mut self) -> Record<'a> {
        for name in self.chosen.into_iter().flatten() {
            if name.member().is_of_access() {
                self.record.used_by_access.insert(name);
            } else {
                self.record.used.insert(name);
            }
        }
        let is_access = self.record.message.as_deref() == Some(ACCESS_MESSAGE)
            && (self.access.status.is_some() || self.access.method.is_some());
        if is_access {
            self.record.access = Some(self.access);
        }
        self.record
    }
}

fn set<T>(member: &mut Option<T>, value: Option<T>) -> bool {
    let is_some = value.is_some();
    if is_some {
        *member = value;
    }
    is_some
}

struct ReadRecord;

impl<'de> Visitor<'de> for ReadRecord {
    type Value = Reader<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut reader = Reader::default();
        while let Some(name::Key(name)) = map.next_key()? {
            match name {
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
                Some(name) if name.is_nested() => {
                    let value = map.next_value::<&'de RawValue>()?;
                    scalar::each_nested(name, value, |name, value| reader.take(name, value));
                }
                Some(name) => reader.take(name, map.next_value()?),
            }
        }
        Ok(reader)
    }
}

#[cfg(test)]
mod tests;
