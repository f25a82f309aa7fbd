//! HTTP/1: parsing, framing, rejections and unread bodies.

pub(crate) mod canary;
mod corpus;
mod expect_and_upgrade;
mod framing;
mod heads;
mod invalid_requests;
mod pipelining;
mod rejections;
mod unread_bodies;
mod uploads;
