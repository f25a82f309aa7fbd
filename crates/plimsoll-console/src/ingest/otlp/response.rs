//! The bodies of responses: `ExportTraceServiceResponse` and `google.rpc.Status`.
//!
//! OTLP specifies the encoding of the request for both.
//! Exporters log the message, so it contains the reason and the remedy.

use serde_json::json;

use super::{Encoding, meter::Cuts};

/// The most bytes of a message in a response.
const MAX_MESSAGE: usize = 1024;

/// What is not kept of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Partial {
    /// The number of rejected items.
    pub(crate) rejected: u64,
    /// The first reason of a rejection.
    pub(crate) reason: Option<String>,
    pub(crate) cuts: Cuts,
}

impl Partial {
    /// Returns the message for the exporter, or `None` if everything was kept.
    fn message(&self) -> Option<String> {
        let mut parts = Vec::new();
        if self.rejected > 0 {
            let reason = self.reason.as_deref().unwrap_or("no reason is known");
            parts.push(format!("{} rejected: {reason}", self.rejected));
        }
        if self.cuts.total() > 0 {
            parts.push(self.cuts.to_string());
        }
        (!parts.is_empty()).then(|| short(&parts.join("; ")).to_owned())
    }
}

/// Encodes the response to a request that was accepted, maybe in part.
///
/// `rejected` is the name of the number in JSON: `rejectedSpans` or `rejectedLogRecords`.
pub(crate) fn accepted(encoding: Encoding, partial: &Partial, rejected: &str) -> Vec<u8> {
    let Some(message) = partial.message() else {
        return match encoding {
            Encoding::Protobuf => Vec::new(),
            Encoding::Json => b"{}".to_vec(),
        };
    };
    match encoding {
        Encoding::Protobuf => {
            let mut inner = Vec::new();
            if partial.rejected > 0 {
                put_varint(&mut inner, 1, partial.rejected);
            }
            put_bytes(&mut inner, 2, message.as_bytes());
            let mut outer = Vec::new();
            put_bytes(&mut outer, 1, &inner);
            outer
        }
        Encoding::Json => {
            // 64 bits are a text in the mapping; 0 may be absent.
            let mut inner = json!({ "errorMessage": message });
            if partial.rejected > 0 {
                inner[rejected] = partial.rejected.to_string().into();
            }
            json!({ "partialSuccess": inner }).to_string().into_bytes()
        }
    }
}

/// Encodes the status of a request that failed. `code` is one of gRPC.
pub(crate) fn failed(encoding: Encoding, code: u8, message: &str) -> Vec<u8> {
    let message = short(message);
    match encoding {
        Encoding::Protobuf => {
            let mut body = Vec::new();
            put_varint(&mut body, 1, code.into());
            put_bytes(&mut body, 2, message.as_bytes());
            body
        }
        Encoding::Json => json!({ "code": code, "message": message })
            .to_string()
            .into_bytes(),
    }
}

fn short(message: &str) -> &str {
    &message[..message.floor_char_boundary(MAX_MESSAGE)]
}

/// Appends a field of variable length. The field number is below 16.
fn put_varint(body: &mut Vec<u8>, field: u8, value: u64) {
    body.push(field << 3);
    put_number(body, value);
}

/// Appends a text or a message. The field number is below 16.
fn put_bytes(body: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    body.push(field << 3 | 2);
    put_number(body, bytes.len() as u64);
    body.extend_from_slice(bytes);
}

fn put_number(body: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        // The lower 7 bits, and the mark that more follow.
        body.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    body.push((value & 0x7f) as u8);
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
    use prost::Message as _;

    use super::*;

    fn partial() -> Partial {
        Partial {
            rejected: 300,
            reason: Some("the trace id is zero".to_owned()),
            cuts: Cuts {
                texts: 2,
                ..Cuts::default()
            },
        }
    }

    #[test]
    fn complete_success_leaves_the_partial_one_unset() {
        let none = Partial::default();
        let body = accepted(Encoding::Protobuf, &none, "rejectedSpans");
        let response = ExportTraceServiceResponse::decode(&body[..]).unwrap();
        assert_eq!(response.partial_success, None);
        assert_eq!(accepted(Encoding::Json, &none, "rejectedSpans"), b"{}");
    }

    #[test]
    fn partial_success_has_count_and_reason() {
        let message = "300 rejected: the trace id is zero; 2 texts were cut to 4096 bytes";
        let body = accepted(Encoding::Protobuf, &partial(), "rejectedSpans");
        let response = ExportTraceServiceResponse::decode(&body[..]).unwrap();
        let success = response.partial_success.unwrap();
        assert_eq!(success.rejected_spans, 300);
        assert_eq!(success.error_message, message);

        let body = accepted(Encoding::Json, &partial(), "rejectedSpans");
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let expected = json!({"rejectedSpans": "300", "errorMessage": message});
        assert_eq!(body["partialSuccess"], expected);
    }

    #[test]
    fn status_is_that_of_grpc() {
        let long = "ä".repeat(MAX_MESSAGE);
        let body = failed(Encoding::Protobuf, 3, &long);
        assert_eq!(body[..4], [0x08, 3, 0x12, 0x80]);
        assert_eq!(body.len(), 2 + 3 + MAX_MESSAGE);
        let body = failed(Encoding::Json, 3, "no");
        assert_eq!(body, br#"{"code":3,"message":"no"}"#);
    }
}
