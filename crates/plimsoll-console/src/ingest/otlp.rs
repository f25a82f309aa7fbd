//! The receiver's half of OTLP/HTTP: bodies become spans and log lines.
//!
//! * [`gzip`] unpacks a body up to a limit.
//! * [`protobuf`] and [`json`] decode to the types of [`message`], within the limits of [`meter`].
//! * [`detail`], `line` and [`access`] are the forms in which spans, log records and requests are stored.
//! * [`collector`] passes them to the stores.
//! * [`names`] finds service and run of a resource.
//! * [`response`] encodes what the exporter gets back.
//!
//! What is cut or rejected is counted and reported in `partial_success`.

mod access;
pub(crate) mod collector;
mod detail;
pub(crate) mod gzip;
mod json;
mod line;
mod message;
mod meter;
pub(crate) mod names;
mod protobuf;
pub(crate) mod response;

use self::{
    message::{LogRecord, Resource, Scope, Span},
    meter::{Cuts, Meter},
    protobuf::Malformed,
};

/// The encoding of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Protobuf,
    Json,
}

/// The body is no message of OTLP.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidBody {
    #[error("the body is no protobuf message of OTLP: {0}")]
    Protobuf(Malformed),
    #[error("the body is no JSON message of OTLP: {0}")]
    Json(serde_json::Error),
}

/// Takes what a body contains.
pub(crate) trait Sink<'a, T> {
    /// The resource of the items that follow.
    fn resource(&mut self, resource: &Resource<'a>);

    /// An item. `is_cut` is true if a part of it exceeds a limit.
    fn item(&mut self, scope: &Scope<'a>, item: T, is_cut: bool);
}

/// An item of a request: [`Span`] or [`LogRecord`].
#[expect(private_bounds, reason = "how an item is read is internal")]
pub(crate) trait Item<'a>: protobuf::FromProtobuf<'a> + json::FromJson<'a> {}

impl<'a> Item<'a> for Span<'a> {}
impl<'a> Item<'a> for LogRecord<'a> {}

/// Decodes a body, and passes its items to `sink`. Returns what was cut, even if the body is invalid.
pub(crate) fn decode<'a, T: Item<'a>>(
    body: &'a [u8],
    encoding: Encoding,
    sink: &mut impl Sink<'a, T>,
) -> (Cuts, Result<(), InvalidBody>) {
    let mut meter = Meter::new();
    let result = match encoding {
        Encoding::Protobuf => protobuf::read(body, &mut meter, sink).map_err(InvalidBody::Protobuf),
        Encoding::Json => json::read(body, &mut meter, sink).map_err(InvalidBody::Json),
    };
    (meter.cuts, result)
}

#[cfg(test)]
mod tests;
