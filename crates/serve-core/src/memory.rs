//! The memory that the server may use.

use std::fmt;

/// The memory that the server may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// The number of bytes.
    pub(crate) bytes: u64,
    /// Indicates whether a control group limits the memory. Containers are control groups.
    pub(crate) is_cgroup: bool,
}

impl Memory {
    /// The memory on systems that do not report the amount of memory in a file.
    #[cfg(any(test, not(target_os = "linux")))]
    pub(crate) const UNLIMITED: Self = Self { bytes: u64::MAX, is_cgroup: false };

    /// Returns the memory that is available on this machine, or the memory limit of the process's
    /// control group if this limit is lower.
    #[cfg(target_os = "linux")]
    pub(crate) fn detect() -> Self {
        let available = linux::available_bytes().unwrap_or(u64::MAX);
        match linux::cgroup_limit_bytes() {
            Some(bytes) if bytes < available => Self { bytes, is_cgroup: true },
            _ => Self { bytes: available, is_cgroup: false },
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn detect() -> Self {
        Self::UNLIMITED
    }
}

/// Writes a clause for messages.
impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.bytes >> 20;
        match self.is_cgroup {
            true => write!(f, "the cgroup has {mib} MiB of memory"),
            false => write!(f, "{mib} MiB of memory are available"),
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::path::Path;

    /// Returns the memory that new programs can use without swapping, in bytes (proc_meminfo(5)).
    pub(super) fn available_bytes() -> Option<u64> {
        let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
        let kib = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        Some(kib.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    }

    /// Returns the lowest memory limit of the control groups of this process, in bytes. Returns
    /// `None` if there is no limit.
    pub(super) fn cgroup_limit_bytes() -> Option<u64> {
        limit_of_cgroups(
            &fs::read_to_string("/proc/self/cgroup").ok()?,
            Path::new("/sys/fs/cgroup"),
        )
    }

    /// Finds the limit in the folder `root` with the control groups. `cgroups` has one line per
    /// hierarchy (cgroups(7)): `0::/PATH` for version 2, and `ID:memory:/PATH` for the memory
    /// controller of version 1.
    fn limit_of_cgroups(cgroups: &str, root: &Path) -> Option<u64> {
        let limits = cgroups.lines().filter_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            let (root, file) = match controllers {
                "" => (root.to_owned(), "memory.max"),
                "memory" => (root.join("memory"), "memory.limit_in_bytes"),
                _ => return None,
            };
            // The limits of all ancestors apply. In a container, the path may start outside of the
            // container, and only the last ancestor, which is the root, exists.
            let groups = Path::new(path.trim_start_matches('/')).ancestors();
            let limit =
                |group| fs::read_to_string(root.join(group).join(file)).ok()?.trim().parse().ok();
            groups.filter_map(limit).min()
        });
        limits.min()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn available_memory_is_less_than_an_exbibyte() {
            let bytes = available_bytes().unwrap();
            assert!((1 << 20..1 << 60).contains(&bytes), "{bytes}");
        }

        #[test]
        fn the_lowest_limit_of_all_ancestors_applies() {
            let root = tempfile::tempdir().unwrap();
            let write = |path: &str, text: &str| {
                let path = root.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            };
            let limit = |cgroups| limit_of_cgroups(cgroups, root.path());
            assert_eq!(limit("0::/a/b\n"), None);
            write("a/b/memory.max", "max\n");
            assert_eq!(limit("0::/a/b\n"), None);
            write("a/memory.max", "419430400\n");
            assert_eq!(limit("0::/a/b\n"), Some(400 << 20));
            write("a/b/memory.max", "1048576\n");
            assert_eq!(limit("0::/a/b\n"), Some(1 << 20));
            write("memory/memory.limit_in_bytes", "4096\n");
            assert_eq!(limit("5:cpu:/\n4:memory:/docker/1\n0::/\n"), Some(4096));
        }
    }
}
