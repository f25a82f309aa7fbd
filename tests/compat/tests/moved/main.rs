//! Runs each application in plain axum and moved onto plimsoll, and holds the second to the first.
//!
//! Each application is built twice from one `app.rs`. A test sends both the same requests and
//! compares the answers. A second test sends SIGTERM to the moved one under load, and counts the
//! requests that got no answer.

mod chat;
mod cli;
mod document;
mod files;
mod grpc;
mod openapi;
mod rest;
mod sessions;
mod sse;
mod support;
mod unix;
mod upload;
