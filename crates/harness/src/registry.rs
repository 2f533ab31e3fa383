//! The process groups and temporary folders that must not outlive this program.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

use crate::signal::{self, Signal};

/// The maximum number of attempts to remove a folder.
const REMOVALS_MAX: usize = 100;

/// The process groups and folders of this program.
///
/// A thread holds the lock while it creates and registers a group or a folder, and while it removes
/// a folder. The interrupt handler waits for the lock, so that it cannot run between these steps.
/// The interrupt handler never releases the lock, so that no thread can start another process.
#[derive(Debug)]
pub(crate) struct Registry {
    pub groups: BTreeSet<u32>,
    /// Indicates whether the program has started a group.
    pub has_started_group: bool,
    folders: BTreeSet<PathBuf>,
    /// The function that the interrupt handler calls first.
    pub before_end: Option<fn()>,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    groups: BTreeSet::new(),
    has_started_group: false,
    folders: BTreeSet::new(),
    before_end: None,
});

pub(crate) fn lock() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    /// Kills all processes of the process groups.
    pub fn kill_groups(&self) {
        for &group in &self.groups {
            signal::send_to_group(group, Signal::Kill);
            // Windows has no process groups.
            #[cfg(windows)]
            let _ = std::process::Command::new("taskkill")
                .args(["/T", "/F", "/PID", &group.to_string()])
                .output();
        }
    }

    /// Removes all folders. If the removal of a folder fails, tries again, because another thread
    /// may have created a file in the folder during the removal.
    pub fn remove_folders(&self) {
        for folder in &self.folders {
            #[cfg(target_os = "linux")]
            crate::fuse::unmount_folder(folder);
            let is_removed = |_: &usize| fs::remove_dir_all(folder).is_ok() || !folder.exists();
            let _ = (0..REMOVALS_MAX).find(is_removed);
        }
    }
}

/// A temporary folder. The folder is removed when the value is dropped or when the program ends.
#[derive(Debug)]
pub struct TempFolder(TempDir);

impl TempFolder {
    /// Creates a temporary folder in the system's folder for temporary files.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be created.
    pub fn new() -> io::Result<Self> {
        Self::within(&std::env::temp_dir())
    }

    /// Creates a temporary folder in `folder`. Creates `folder` if necessary.
    ///
    /// # Errors
    ///
    /// Fails if `folder` or the temporary folder cannot be created.
    pub fn within(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut registry = lock();
        let folder = tempfile::Builder::new().prefix("highwater-").tempdir_in(folder)?;
        registry.folders.insert(folder.path().to_owned());
        Ok(Self(folder))
    }

    /// Returns the path of the temporary folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        // The interrupt handler cannot end the program while this thread holds the lock.
        let mut registry = lock();
        // If the removal fails, for example because a process writes to the folder, the folder is
        // removed at the end of the program.
        if fs::remove_dir_all(self.path()).is_ok() {
            registry.folders.remove(self.path());
        }
    }
}
