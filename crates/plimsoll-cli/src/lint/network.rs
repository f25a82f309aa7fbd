//! The size of networks in lists of addresses.

use std::net::Ipv4Addr;

/// The shortest prefix of a network that excludes most clients, as that of 10.0.0.0/8.
pub(crate) const MIN_PREFIX: u32 = 8;

/// Whether an address or a network excludes most clients. `text` is as `10.0.0.0/8` or
/// `10.0.0.0/255.0.0.0`.
pub(crate) fn is_narrow(text: &str) -> bool {
    text.split_once('/')
        .is_none_or(|(_, length)| is_long(length))
}

/// Whether a prefix or a mask is that of such a network.
pub(crate) fn is_long(length: &str) -> bool {
    let mask = || Some(u32::from(length.parse::<Ipv4Addr>().ok()?).leading_ones());
    let length = length.parse().ok().or_else(mask);
    length.is_some_and(|length| length >= MIN_PREFIX)
}
