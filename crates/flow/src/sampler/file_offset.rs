//! Finds out how much of a file a process has read.

use std::fs;
use std::path::Path;

/// Returns the offset up to which the processes have read the served file. Returns `None` if they
/// do not have exactly one descriptor of a file of this length.
///
/// The offset is 0 if the server reads with calls that do not change it, such as `pread64`.
pub fn file_offset(pids: &[u32], file_bytes: u64) -> Option<u64> {
    let mut found = pids.iter().flat_map(|pid| {
        let process = Path::new("/proc").join(pid.to_string());
        let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        let is_file = move |path: &Path| {
            fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() == file_bytes)
        };
        let files = descriptors.filter(move |descriptor| is_file(&descriptor.path()));
        files.map(move |descriptor| process.join("fdinfo").join(descriptor.file_name()))
    });
    let info = found.next()?;
    if found.next().is_some() {
        return None;
    }
    // The first line is `pos:`, followed by the offset (see proc_pid_fdinfo(5)).
    let text = fs::read_to_string(info).ok()?;
    text.lines().next()?.strip_prefix("pos:")?.trim().parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Write};

    #[test]
    fn the_offset_counts_the_bytes_that_were_read() {
        // No other file of this process has this length.
        const FILE_BYTES: u64 = 76_543;
        let folder = harness::TempFolder::new().unwrap();
        let path = folder.path().join("file");
        File::create(&path).unwrap().write_all(&[0; FILE_BYTES as usize]).unwrap();
        let this = [std::process::id()];
        assert_eq!(file_offset(&this, FILE_BYTES), None);
        let mut file = File::open(&path).unwrap();
        file.read_exact(&mut [0; 1_000]).unwrap();
        assert_eq!(file_offset(&this, FILE_BYTES), Some(1_000));
        let _second = File::open(&path).unwrap();
        assert_eq!(file_offset(&this, FILE_BYTES), None);
    }
}
