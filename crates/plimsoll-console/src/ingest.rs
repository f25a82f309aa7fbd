//! From the bytes of a service to records.
//!
//! * `lines` splits a stream into lines of limited length.
//! * `text` removes escape sequences from lines that are no records.
//! * `fields` reads one record: its time, level, message and ids, under any of their usual names.
//! * `otlp` decodes spans and log records of OpenTelemetry.
//! * `scrape` reads the metrics of services, and computes charts of them and of access records.

pub(crate) mod fields;
pub(crate) mod lines;
pub(crate) mod otlp;
pub(crate) mod scrape;
pub(crate) mod text;
