//! Prevents two checks in the same folder from running at the same time. Concurrent checks would
//! build into the same folder and distort each other's measurements.

use std::fs::File;
use std::io;

use anyhow::{Context, Error, Result};
use fs4::{FileExt, TryLockError};

use crate::course::Course;
use crate::folders::display_path;

/// The name of the lock file in the learner's folder.
const FILE: &str = ".lock";

/// Waits until no other check runs in the learner's folder. Calls `report` with a message before
/// the wait. Dropping the returned file ends the lock. The system also ends the lock if the program
/// is killed.
///
/// # Errors
///
/// Fails if the lock file cannot be created.
pub fn acquire(course: &Course, report: impl FnOnce(&str)) -> Result<File> {
    let path = course.work.join(FILE);
    let cannot_lock =
        || format!("cannot lock `{}`\nhelp: make the folder writable", display_path(&path));
    let file = File::options().create(true).append(true).open(&path).with_context(cannot_lock)?;
    match FileExt::try_lock(&file) {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => {}
        // Some network file systems have no locks.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
            return Ok(file);
        }
        Err(TryLockError::Error(error)) => return Err(Error::new(error).context(cannot_lock())),
    }
    report("Another check is running in this folder. This check starts when that check has ended.");
    FileExt::lock(&file).with_context(cannot_lock)?;
    Ok(file)
}
