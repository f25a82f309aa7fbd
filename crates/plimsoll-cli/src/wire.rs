//! HTTP/1.1 over TCP, byte for byte.
//!
//! A client library hides what `verify` observes: it reconnects, retries and corrects.
//! This module sends the given bytes over one connection and reports what came back.
//! A request is sent once.

mod exchange;
mod h2;
mod pair;
mod response;
mod tls;
mod unix;
mod watch;

pub(crate) use self::{
    exchange::{Exchange, Outcome, Pending, Wire},
    h2::{
        DATA, END_HEADERS, END_STREAM, Frame, Frames, GOAWAY, HEADERS, NO_ERROR, PING,
        PROTOCOL_ERROR, REFUSED_STREAM, RST_STREAM, SETTINGS,
    },
    response::Response,
    tls::{Hello, Session},
};
