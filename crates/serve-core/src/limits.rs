//! The number of connections for which the system has file descriptors and memory.

use std::fs;

use crate::approach::Approach;
use crate::chunk_reader::PIECE_BYTES_MAX;
use crate::config::Config;
use crate::memory::Memory;

// ANCHOR: descriptors
/// The number of descriptors per connection (one for the socket and one for the file).
const DESCRIPTORS_PER_CONNECTION: u64 = 2;

/// The number of descriptors that the server itself needs for the standard streams, the listener,
/// the signal handler and the runtime, without the descriptors of worker threads. The largest
/// measured number is 11 (async-std on Linux). The other nine descriptors are a reserve, because the
/// parent process may have left descriptors open.
const DESCRIPTORS_OF_SERVER: u64 = 20;
// ANCHOR_END: descriptors

/// The number of memory areas (`vm.max_map_count`) per connection of an approach that has two threads
/// per connection. Each thread has a stack, a signal stack, and a guard page for each of them. If no
/// area is left for a signal stack, Rust's standard library panics in the new thread, and the
/// process ends.
const MEMORY_AREAS_PER_CONNECTION: u64 = 8;

/// The number of memory areas that the server itself needs. Without clients, the std server has 52
/// areas (measured). The other areas are a reserve.
const MEMORY_AREAS_OF_SERVER: u64 = 1_000;

/// The size of the kernel's send buffer for a non-reading client in a control group, in bytes. The
/// largest measured size is 145 KiB, because the server limits the unsent data to 128 KiB.
const SEND_BUFFER_BYTES: u64 = 160 * 1024;

/// The share of the memory for connections (three quarters). The remaining memory is a reserve for
/// the program, its worker threads, its log and the page cache.
const MEMORY_SHARE: (u64, u64) = (3, 4);

/// The resources of the system that limit the number of connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resources {
    /// The number of descriptors that this process may open.
    pub(crate) descriptors: u64,
    /// The number of memory areas that this process may have.
    pub(crate) memory_areas: u64,
    pub(crate) memory: Memory,
}

/// The maximum number of connections for which the resources of the system suffice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) connections: usize,
    /// A clause that states the amount of the scarcest resource, for messages.
    pub(crate) reason: String,
}

impl Resources {
    #[cfg(test)]
    pub(crate) const UNLIMITED: Self =
        Self { descriptors: u64::MAX, memory_areas: u64::MAX, memory: Memory::UNLIMITED };

    // ANCHOR: detect
    /// Raises the limit on open descriptors as far as possible, and determines the resources that
    /// the server may use.
    pub(crate) fn detect() -> Self {
        // The server starts even if the limit cannot be read, because the server survives `EMFILE`
        // (clause 9 of the contract).
        #[cfg(unix)]
        let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(u64::MAX);
        // Windows has no limit on descriptors.
        #[cfg(not(unix))]
        let descriptors = u64::MAX;
        // Only Linux limits the number of memory areas.
        let areas = fs::read_to_string("/proc/sys/vm/max_map_count").ok();
        let memory_areas = areas.and_then(|areas| areas.trim().parse().ok()).unwrap_or(u64::MAX);
        Self { descriptors, memory_areas, memory: Memory::detect() }
    }
    // ANCHOR_END: detect

    /// Returns the default connection limit of an approach with the resources of this system.
    pub(crate) fn default_connections(&self, approach: &Approach, config: &Config) -> usize {
        self.limit(approach, config).connections.min(approach.max_connections)
    }

    /// Returns the number of connections for which the resources suffice, even if no client reads.
    pub(crate) fn limit(&self, approach: &Approach, config: &Config) -> Limit {
        let of_workers = (approach.worker_descriptors * config.workers) as u64;
        let by_descriptors = self.descriptors.saturating_sub(DESCRIPTORS_OF_SERVER + of_workers)
            / DESCRIPTORS_PER_CONNECTION;
        let memory_bytes = self.memory.bytes / MEMORY_SHARE.1 * MEMORY_SHARE.0;
        let by_memory = (memory_bytes / self.connection_bytes(approach, config)).max(1);
        let by_areas = match approach.has_workers {
            true => u64::MAX,
            false => {
                self.memory_areas.saturating_sub(MEMORY_AREAS_OF_SERVER)
                    / MEMORY_AREAS_PER_CONNECTION
            }
        };
        let connections = by_descriptors.min(by_areas).min(by_memory);
        let reason = if connections == by_descriptors {
            format!("the limit on open files is {}", self.descriptors)
        } else if connections == by_areas {
            format!("the limit on memory areas (vm.max_map_count) is {}", self.memory_areas)
        } else {
            self.memory.to_string()
        };
        Limit { connections: usize::try_from(connections).unwrap_or(usize::MAX), reason }
    }

    /// Returns the memory for a non-reading client, in bytes.
    fn connection_bytes(&self, approach: &Approach, config: &Config) -> u64 {
        // A thread that waits in `write` keeps its piece of the file. A task keeps no data.
        let piece_bytes = match approach.has_workers || config.zero_copy {
            true => 0,
            false => config.chunk_bytes.min(PIECE_BYTES_MAX),
        };
        // Without a control group, the kernel limits the send buffers of all processes together to
        // about a tenth of the machine's memory (`net.ipv4.tcp_mem`).
        let send_buffer_bytes = if self.memory.is_cgroup { SEND_BUFFER_BYTES } else { 0 };
        (approach.connection_bytes + piece_bytes) as u64 + send_buffer_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approach::TEST;

    fn limit(descriptors: u64, memory: Memory, approach: &Approach, config: &Config) -> Limit {
        Resources { descriptors, memory, ..Resources::UNLIMITED }.limit(approach, config)
    }

    fn limit_of_memory(mib: u64, approach: &Approach, config: &Config) -> usize {
        let memory = Memory { bytes: mib << 20, is_cgroup: true };
        limit(u64::MAX, memory, approach, config).connections
    }

    #[test]
    fn a_connection_needs_two_descriptors_and_the_server_a_reserve() {
        let config = Config::new("file");
        let of_descriptors = |count| limit(count, Memory::UNLIMITED, &TEST, &config).connections;
        assert_eq!(of_descriptors(20_000), 9_990);
        assert_eq!(of_descriptors(32), 6);
        assert_eq!(of_descriptors(0), 0);
    }

    #[test]
    fn a_worker_thread_may_need_descriptors() {
        let approach = Approach { worker_descriptors: 3, ..TEST };
        let config = Config { workers: 4, ..Config::new("file") };
        let limit = limit(20_000, Memory::UNLIMITED, &approach, &config);
        assert_eq!(limit.connections, 9_984);
    }

    #[test]
    fn two_threads_per_connection_need_eight_memory_areas() {
        let resources = Resources { memory_areas: 65_530, ..Resources::UNLIMITED };
        let config = Config::new("file");
        let threads = Approach { has_workers: false, ..TEST };
        let limit = resources.limit(&threads, &config);
        assert_eq!(limit.connections, 8_066);
        assert_eq!(limit.reason, "the limit on memory areas (vm.max_map_count) is 65530");
        assert!(resources.limit(&TEST, &config).connections > 1_000_000);
    }

    #[test]
    fn a_non_reading_client_needs_a_send_buffer_and_a_task() {
        let config = Config::new("file");
        // Connections may use 300 MiB. Each connection needs 160 + 8 KiB.
        assert_eq!(limit_of_memory(400, &TEST, &config), 300 * 1024 / 168);
        assert_eq!(limit_of_memory(0, &TEST, &config), 1);
    }

    #[test]
    fn a_waiting_thread_keeps_a_piece_of_the_file() {
        let approach = Approach { has_workers: false, ..TEST };
        let mut config = Config::new("file");
        assert_eq!(limit_of_memory(400, &approach, &config), 300 * 1024 / (168 + 64));
        config.chunk_bytes = 1 << 30;
        assert_eq!(limit_of_memory(400, &approach, &config), 300 * 1024 / (168 + 128));
        config.zero_copy = true;
        assert_eq!(limit_of_memory(400, &approach, &config), 300 * 1024 / 168);
    }

    #[test]
    fn only_a_cgroup_is_charged_for_send_buffers() {
        let memory = Memory { bytes: 16 << 20, is_cgroup: false };
        let limit = limit(u64::MAX, memory, &TEST, &Config::new("file"));
        assert_eq!(limit.connections, 12 * 1024 / 8);
    }

    #[test]
    fn the_default_is_at_most_the_default_of_the_approach() {
        let config = Config::new("file");
        let default = |descriptors| {
            let resources = Resources { descriptors, ..Resources::UNLIMITED };
            resources.default_connections(&TEST, &config)
        };
        assert_eq!(default(20_000), TEST.max_connections);
        assert_eq!(default(2_020), 1_000);
    }

    #[test]
    fn the_reason_names_the_scarcest_resource() {
        let config = Config::new("file");
        let memory = Memory { bytes: 400 << 20, is_cgroup: true };
        let reason = |descriptors| limit(descriptors, memory, &TEST, &config).reason;
        assert_eq!(reason(1024), "the limit on open files is 1024");
        assert_eq!(reason(20_000), "the cgroup has 400 MiB of memory");
        let memory = Memory { is_cgroup: false, ..memory };
        let reason = limit(u64::MAX, memory, &TEST, &config).reason;
        assert_eq!(reason, "400 MiB of memory are available");
    }
}
