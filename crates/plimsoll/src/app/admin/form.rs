//! The form of a change: at most 1 KiB, with known fields only (contract ADM-9).

use std::{collections::BTreeMap, time::Duration};

use axum::body::{Body, to_bytes};
use http::{HeaderMap, StatusCode, header};

use super::answer::Failure;
use crate::config::FromSetting as _;

const MAX_FORM: usize = 1024;

/// The longest time that a change is in force.
const MAX_TTL: Duration = Duration::from_secs(24 * 3600);

/// The fields of every form.
const TTL: &str = "ttl";
const REASON: &str = "reason";

/// The fields of a form.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads the form of a request. `fields` are the names beside `ttl` and `reason`.
    pub(super) async fn read(
        headers: &HeaderMap,
        body: Body,
        fields: &[&str],
    ) -> Result<Self, Failure> {
        let Ok(bytes) = to_bytes(body, MAX_FORM).await else {
            return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE)
                .with_detail(format!("a form has {MAX_FORM} bytes at most")));
        };
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let content_type = headers.get(header::CONTENT_TYPE);
        let is_form = content_type.is_some_and(|value| {
            let value = value.to_str().unwrap_or_default();
            let kind = value.split(';').next().unwrap_or_default().trim();
            kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        });
        if !is_form {
            return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
                .with_detail("the body must be application/x-www-form-urlencoded".to_owned()));
        }
        Self::parse(&bytes, fields)
    }

    fn parse(bytes: &[u8], fields: &[&str]) -> Result<Self, Failure> {
        let mut found = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(bytes) {
            let shown = name.escape_debug();
            if !fields.contains(&&*name) && name != TTL && name != REASON {
                return Err(Failure::bad_request(format!(
                    "the field `{shown}` is unknown"
                )));
            }
            // The parser replaces bytes that are no UTF-8.
            if value
                .chars()
                .any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER)
            {
                return Err(Failure::bad_request(format!(
                    "the field `{shown}` is unreadable"
                )));
            }
            if found
                .insert(name.clone().into_owned(), value.into_owned())
                .is_some()
            {
                return Err(Failure::bad_request(format!(
                    "the field `{shown}` is repeated"
                )));
            }
        }
        Ok(Self(found))
    }

    /// Returns the value of a field that must be present.
    pub(super) fn required(&self, name: &str) -> Result<&str, Failure> {
        let value = self.0.get(name).map(String::as_str);
        value.ok_or_else(|| Failure::bad_request(format!("the field `{name}` is missing")))
    }

    /// Checks that a field has the only value that it may have.
    pub(super) fn only(&self, name: &str, value: &str) -> Result<(), Failure> {
        if self.required(name)? == value {
            return Ok(());
        }
        let text = format!("the field `{name}` must be `{value}`");
        Err(Failure::bad_request(text))
    }

    /// Returns the time until the change ends: above 0, and 24 h at most.
    pub(super) fn ttl(&self, default: Duration) -> Result<Duration, Failure> {
        let Some(text) = self.0.get(TTL) else {
            return Ok(default);
        };
        let ttl = Duration::parse(text).ok();
        ttl.filter(|ttl| !ttl.is_zero() && *ttl <= MAX_TTL)
            .ok_or_else(|| {
                Failure::bad_request("the field `ttl` must be above 0 and 24h at most".to_owned())
            })
    }

    /// Returns the reason for the change, or an empty text.
    pub(super) fn reason(&self) -> String {
        self.0.get(REASON).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(form: &str) -> String {
        let parsed = Form::parse(form.as_bytes(), &["ready"]);
        parsed
            .expect_err("it is invalid")
            .detail
            .unwrap_or_default()
    }

    /// ADM-9
    #[test]
    fn bad_fields_are_named() {
        assert!(detail("redy=false").contains("`redy` is unknown"));
        assert!(detail("ready=a&ready=a").contains("`ready` is repeated"));
        assert!(detail("ready=%ff").contains("`ready` is unreadable"));
        assert!(detail("reason=a%0ab").contains("`reason` is unreadable"));
    }

    /// ADM-9
    #[test]
    fn ttl_is_above_zero_and_at_most_a_day() {
        let ttl = |text: &str| {
            let form = Form::parse(format!("ttl={text}").as_bytes(), &[]);
            form.expect("the names are known")
                .ttl(Duration::from_secs(1))
                .ok()
        };
        assert_eq!(ttl("15m"), Some(Duration::from_secs(900)));
        assert_eq!(ttl("24h"), Some(MAX_TTL));
        for bad in ["0", "0s", "24h1s", "-1s", "soon", ""] {
            assert_eq!(ttl(bad), None, "{bad}");
        }
        let default = Form::default().ttl(MAX_TTL).ok();
        assert_eq!(default, Some(MAX_TTL));
    }
}
