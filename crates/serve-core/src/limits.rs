//! The number of connections for which the system has file descriptors.

// ANCHOR: descriptors
/// The number of descriptors per connection (one for the socket and one for the file).
const DESCRIPTORS_PER_CONNECTION: u64 = 2;

/// The number of descriptors that the server itself needs for the standard streams, the listener,
/// the signal handler and the runtime. The largest measured number is 11 (async-std on Linux). The
/// other nine descriptors are a reserve, because the parent process may have left descriptors open.
const DESCRIPTORS_OF_SERVER: u64 = 20;
// ANCHOR_END: descriptors

// ANCHOR: connections_max
/// Raises the limit on open descriptors as far as possible, and returns the number of connections
/// that the limit permits.
#[cfg(unix)]
pub(crate) fn connections_max() -> usize {
    // The server starts even if the limit cannot be read, because the server survives `EMFILE`
    // (clause 9 of the contract).
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(u64::MAX);
    connections_for(descriptors)
}
// ANCHOR_END: connections_max

/// Returns the maximum value of `usize`, because Windows has no limit on descriptors.
#[cfg(not(unix))]
pub(crate) fn connections_max() -> usize {
    usize::MAX
}

#[cfg_attr(not(unix), allow(dead_code, reason = "Windows has no limit on descriptors"))]
fn connections_for(descriptors: u64) -> usize {
    let connections =
        descriptors.saturating_sub(DESCRIPTORS_OF_SERVER) / DESCRIPTORS_PER_CONNECTION;
    usize::try_from(connections).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_needs_two_descriptors_and_the_server_a_reserve() {
        assert_eq!(connections_for(20_000), 9_990);
        assert_eq!(connections_for(32), 6);
        assert_eq!(connections_for(0), 0);
    }
}
