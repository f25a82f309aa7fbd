//! The form of a setting's value, as the chassis accepts it.
//!
//! The command does not link the chassis, so the parsers are repeated here.
//! A test compares them with those of the chassis.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    ops::RangeInclusive,
    time::Duration,
};

use hyper::{
    Uri,
    header::{HeaderName, HeaderValue},
};
use plimsoll_contract::Setting;

/// The longest duration of a setting.
const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The most decimals of a duration.
const MAX_DECIMALS: usize = 38;

/// The longest path of a unix socket in bytes.
const MAX_SOCKET_PATH: usize = 107;

/// The longest name of a service in bytes.
const MAX_LABEL: usize = 128;

/// A form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form<'text> {
    /// Any text: a path or a secret.
    Any,
    /// One of some words, in any case.
    Words(Vec<&'text str>),
    Whole(RangeInclusive<u64>),
    /// A duration. `is_off`: whether it can be 0.
    Duration {
        is_off: bool,
    },
    Size,
    Label,
    Host,
    Address,
    LogLevels,
    Names,
    Networks,
    Url,
    /// Pairs of texts. `are_headers`: whether they are fields of HTTP.
    Pairs {
        are_headers: bool,
    },
    Exporters,
    Sampler,
    Ratio,
}

impl<'text> Form<'text> {
    /// Returns the form of a setting. `None` if the text that describes it is new.
    pub(super) fn of(setting: &'text Setting) -> Option<Self> {
        let expected = setting.expected.as_str();
        Some(match expected {
            "a path" | "a secret text" => Self::Any,
            "a whole number" => Self::Whole(0..=u64::MAX),
            "a duration of at most 365 days, or 0 for off" => Self::Duration { is_off: true },
            "a duration greater than 0 and at most 365 days" => Self::Duration { is_off: false },
            "a size greater than 0, in bytes or with the unit KiB, MiB or GiB" => Self::Size,
            "text of 1 to 128 bytes without control characters" => Self::Label,
            "an IPv4 or IPv6 address, or unix:/path" => Self::Host,
            "an IPv4 or IPv6 address with a port, or unix:/path" => Self::Address,
            "TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL or OFF, also per target" => {
                Self::LogLevels
            }
            "names separated by commas" => Self::Names,
            "networks and addresses, IPv4 or IPv6, and the word unix, separated by commas" => {
                Self::Networks
            }
            "a URL of http or https" => Self::Url,
            "a list of name=value, separated by commas, values percent-encoded" => Self::Pairs {
                are_headers: setting.secret,
            },
            "otlp or none, or a list that has console, logging, jaeger or zipkin beside them" => {
                Self::Exporters
            }
            "always_on, always_off or traceidratio, or one of these behind parentbased_" => {
                Self::Sampler
            }
            "a number from 0 to 1" => Self::Ratio,
            _ => return whole(expected).map(Self::Whole).or_else(|| words(expected)),
        })
    }

    /// Whether the chassis accepts a value, which is not empty.
    pub(super) fn accepts(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Words(words) => is_word(text, words),
            Self::Whole(range) => number(text).is_some_and(|it| range.contains(&it)),
            Self::Duration { is_off } => duration(text).is_some_and(|it| *is_off || !it.is_zero()),
            Self::Size => is_size(text),
            Self::Label => text.len() <= MAX_LABEL && !text.contains(char::is_control),
            Self::Host => is_host(text),
            Self::Address => match text.strip_prefix("unix:") {
                Some(path) => is_socket(path),
                None => text.parse().is_ok_and(|it: SocketAddr| it.port() > 0),
            },
            Self::LogLevels => is_levels(text),
            Self::Names => text
                .split(',')
                .map(str::trim)
                .all(|it| !it.is_empty() && !it.contains(['&', ';', '='])),
            Self::Networks => items(text).all(|it| it == "unix" || is_network(it)),
            Self::Url => is_url(text),
            Self::Pairs { are_headers } => items(text).all(|it| match pair(it) {
                Some((name, value)) => !are_headers || is_header(name, &value),
                None => false,
            }),
            Self::Exporters => {
                let known = ["otlp", "none", "console", "logging", "jaeger", "zipkin"];
                text.split(',').all(|it| is_word(it.trim(), &known))
            }
            Self::Sampler => {
                let text = text.to_ascii_lowercase();
                let name = text.strip_prefix("parentbased_").unwrap_or(&text);
                ["always_on", "always_off", "traceidratio"].contains(&name)
            }
            Self::Ratio => {
                let is_plain = text.bytes().all(|it| it.is_ascii_digit() || it == b'.');
                is_plain && text.parse().is_ok_and(|it: f64| it <= 1.0)
            }
        }
    }
}

/// Returns the range of a text such as `a whole number from 1 to 1024`.
fn whole(expected: &str) -> Option<RangeInclusive<u64>> {
    let kinds = [
        "a whole number from ",
        "whole milliseconds from ",
        "a port from ",
    ];
    let range = kinds.iter().find_map(|it| expected.strip_prefix(it))?;
    let (first, last) = range.split_once(" to ")?;
    Some(number(first)?..=number(last)?)
}

/// Returns the words of a text such as `main, admin or both`.
fn words(expected: &str) -> Option<Form<'_>> {
    let (first, last) = expected.rsplit_once(" or ")?;
    let words: Vec<&str> = first.split(", ").chain([last]).collect();
    let is_list = words.iter().all(|it| !it.contains([' ', ',']));
    is_list.then_some(Form::Words(words))
}

fn is_word(text: &str, words: &[&str]) -> bool {
    words.iter().any(|it| it.eq_ignore_ascii_case(text))
}

/// Returns the items of a list. Empty ones are ignored.
fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|it| !it.is_empty())
}

/// Parses digits alone.
fn number(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|it| it.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

/// Parses a number with a unit.
///
/// The result must be whole nanoseconds, and a fraction of an hour whole seconds.
fn duration(text: &str) -> Option<Duration> {
    let is_unit = |c: char| c != '.' && !c.is_ascii_digit();
    let (value, unit) = text.split_at(text.find(is_unit).unwrap_or(text.len()));
    // A unit, and the steps that its fraction consists of.
    let (unit, step): (u64, u64) = match unit {
        "ms" => (1_000_000, 1),
        "" | "s" => (1_000_000_000, 1),
        "m" => (60_000_000_000, 1),
        "h" => (3_600_000_000_000, 1_000_000_000),
        _ => return None,
    };
    let (whole, decimals) = match value.split_once('.') {
        Some((_, decimals)) if decimals.is_empty() || decimals.len() > MAX_DECIMALS => return None,
        Some((whole, decimals)) => (whole, decimals.trim_end_matches('0')),
        None => (value, ""),
    };
    let scale = 10_u64.checked_pow(u32::try_from(decimals.len()).ok()?)?;
    let part = match decimals {
        "" => 0,
        decimals => number(decimals)?,
    };
    // The chassis has 64 bits for a fraction too.
    let part = part.checked_mul(unit / step)?;
    if part % scale != 0 {
        return None;
    }
    let nanos = number(whole)?.checked_mul(unit)?;
    let nanos = nanos.checked_add(part / scale * step)?;
    Some(Duration::from_nanos(nanos)).filter(|it| *it <= MAX_DURATION)
}

fn is_size(text: &str) -> bool {
    let units: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let mut units = units.into_iter();
    let unit = units.find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)));
    let (value, bytes) = unit.unwrap_or((text, 1));
    let bytes = number(value).and_then(|it| it.checked_mul(bytes));
    bytes.is_some_and(|it| it > 0)
}

fn is_host(text: &str) -> bool {
    if let Some(path) = text.strip_prefix("unix:") {
        return is_socket(path);
    }
    let inner = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    match inner {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => text.parse::<IpAddr>().is_ok(),
    }
}

fn is_socket(path: &str) -> bool {
    path.starts_with('/') && path.len() <= MAX_SOCKET_PATH && !path.contains('\0')
}

fn is_network(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else {
        return text.parse::<IpAddr>().is_ok();
    };
    let longest = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    let is_plain = length == "0" || !length.starts_with('0');
    is_plain && number(length).is_some_and(|it| it <= longest)
}

/// Whether a text has levels, at most one of them without a target, and no target twice.
fn is_levels(text: &str) -> bool {
    let levels = [
        "TRACE", "DEBUG", "INFO", "WARNING", "WARN", "ERROR", "CRITICAL", "OFF",
    ];
    let mut targets: Vec<Option<&str>> = Vec::new();
    for item in items(text) {
        let (target, level) = match item.split_once('=') {
            Some((target, level)) => (Some(target.trim_end()), level.trim_start()),
            None => (None, item),
        };
        let is_blank = |c: char| c.is_whitespace() || c.is_control();
        let is_target = target.is_none_or(|it| !it.is_empty() && !it.contains(is_blank));
        if !is_target || !is_word(level, &levels) {
            return false;
        }
        targets.push(target);
    }
    let count = targets.len();
    targets.sort_unstable();
    targets.dedup();
    count > 0 && targets.len() == count
}

fn is_url(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else {
        return false;
    };
    let authority = uri.authority().map_or("", |it| it.as_str());
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    is_web && !authority.contains('@') && uri.host().is_some_and(|it| !it.is_empty())
}

fn is_header(name: &str, value: &[u8]) -> bool {
    HeaderName::try_from(name).is_ok() && HeaderValue::from_bytes(value).is_ok()
}

/// Parses an item such as `name=value`, whose value is percent-encoded.
fn pair(item: &str) -> Option<(&str, Vec<u8>)> {
    let (name, value) = item.split_once('=')?;
    let name = Some(name.trim()).filter(|it| !it.is_empty())?;
    let mut pieces = value.trim().split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let digits = piece.get(..2)?;
        let is_plain = digits.bytes().all(|it| it.is_ascii_hexdigit());
        let byte = u8::from_str_radix(digits, 16).ok().filter(|_| is_plain)?;
        bytes.push(byte);
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    std::str::from_utf8(&bytes).ok()?;
    Some((name, bytes))
}

#[cfg(test)]
mod tests;
