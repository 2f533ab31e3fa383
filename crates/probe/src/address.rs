//! Where a client comes from.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr};

/// An address of this machine that no connection had before, by chance. Linux remembers how those
/// between two addresses fared (`ip tcp_metrics`), and takes several times as much at once for the
/// next ones; there all of 127.0.0.0/8 is this machine. Elsewhere only 127.0.0.1 is, as a rule.
#[must_use]
pub fn unused() -> IpAddr {
    // The standard library's own randomness.
    let [second, third, fourth, ..] = RandomState::new().hash_one(()).to_ne_bytes();
    // Not 127.0.0.1, which everybody has, nor one that ends like a network's own.
    Ipv4Addr::new(127, second.max(1), third, fourth.clamp(1, 254)).into()
}
