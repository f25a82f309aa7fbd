//! The names of members that have a meaning.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Member {
    Time,
    Level,
    Message,
    Target,
    Id,
    Trace,
    Status,
    Method,
    Route,
    Path,
    Query,
    Ip,
    Ms,
    UserAgent,
    Aborted,
}

impl Member {
    pub(super) const COUNT: usize = Self::Aborted as usize + 1;

    /// Returns true for members that only access records have.
    pub(super) fn is_of_access(self) -> bool {
        self as usize >= Self::Status as usize
    }
}

macro_rules! names {
    ($($name:ident $text:literal $member:ident,)*) => {
        /// A known name. Of two names of the same member, the smaller one is taken.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub(super) enum Name {
            $($name,)*
        }

        impl Name {
            /// Returns the known name of a text.
            pub(super) fn of(text: &str) -> Option<Self> {
                // Bytes are compared as a tree, texts one after the other.
                match text.as_bytes() {
                    $($text => Some(Self::$name),)*
                    _ => None,
                }
            }

            pub(super) fn member(self) -> Member {
                match self {
                    $(Self::$name => Member::$member,)*
                }
            }
        }
    };
}

names! {
    Levelname b"levelname" Level,
    Level b"level" Level,
    Severity b"severity" Level,
    LogLevel b"log.level" Level,
    Asctime b"asctime" Time,
    AtTimestamp b"@timestamp" Time,
    Time b"time" Time,
    Ts b"ts" Time,
    Timestamp b"timestamp" Time,
    Message b"message" Message,
    Msg b"msg" Message,
    Event b"event" Message,
    LeadingLogger b"name" Target,
    Logger b"logger" Target,
    LogLogger b"log.logger" Target,
    Target b"target" Target,
    RequestId b"request_id" Id,
    RequestIdCamel b"requestId" Id,
    HttpRequestId b"http.request.id" Id,
    TraceIdCamel b"traceId" Trace,
    TraceId b"trace_id" Trace,
    TraceDotId b"trace.id" Trace,
    Status b"status" Status,
    Method b"method" Method,
    Path b"path" Route,
    RawPath b"rawPath" Path,
    Query b"query" Query,
    Ip b"ip" Ip,
    LatencyMs b"latencyMs" Ms,
    UserAgent b"userAgent" UserAgent,
    Aborted b"aborted" Aborted,
    // Objects of the Elastic Common Schema, which contain `log.level`, `trace.id` and the like.
    Log b"log" Level,
    Trace b"trace" Trace,
    Http b"http" Id,
}

impl Name {
    /// Returns true for names of objects that contain the members.
    pub(super) fn is_nested(self) -> bool {
        self as u8 >= Self::Log as u8
    }
}

/// A set of names.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Names(u64);

impl Names {
    pub(super) fn insert(&mut self, name: Name) {
        self.0 |= 1 << name as u8;
    }

    pub(super) fn contains(self, name: Name) -> bool {
        self.0 & (1 << name as u8) != 0
    }
}

/// The name of a member, if it is known.
pub(super) struct Key(pub(super) Option<Name>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(ReadKey)
    }
}

struct ReadKey;

impl Visitor<'_> for ReadKey {
    type Value = Key;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Key, E> {
        Ok(Key(Name::of(text)))
    }
}
