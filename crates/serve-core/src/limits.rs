//! How many clients the system allows.

// ANCHOR: clients_of
/// Descriptors of one client: its socket and its file.
const DESCRIPTORS_PER_CLIENT: u64 = 2;

/// Descriptors that the server needs for itself: standard streams, listener, signals and what the
/// runtime opens. 11 were seen, with async-std on Linux; the rest is for what a parent left open.
const DESCRIPTORS_OF_SERVER: u64 = 20;
// ANCHOR_END: clients_of

// ANCHOR: clients_max
/// Raises the limit of open descriptors as far as it goes, and returns how many
/// clients it allows.
#[cfg(unix)]
pub(crate) fn clients_max() -> usize {
    // A limit that cannot be read is no reason not to start: running out is survived (clause 9).
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(u64::MAX);
    clients_of(descriptors)
}
// ANCHOR_END: clients_max

/// Windows has no such limit.
#[cfg(not(unix))]
pub(crate) fn clients_max() -> usize {
    usize::MAX
}

#[cfg_attr(not(unix), allow(dead_code, reason = "there is no limit to compute from"))]
fn clients_of(descriptors: u64) -> usize {
    let clients = descriptors.saturating_sub(DESCRIPTORS_OF_SERVER) / DESCRIPTORS_PER_CLIENT;
    usize::try_from(clients).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_descriptors_a_client_and_some_for_the_server() {
        assert_eq!(clients_of(20_000), 9_990);
        assert_eq!(clients_of(32), 6);
        assert_eq!(clients_of(0), 0);
    }
}
