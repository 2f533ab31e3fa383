//! All checks, grouped by subject.

mod bytes;
mod common;
mod concurrency;
mod endings;
mod events;
mod failures;
mod files;
mod grammar;
mod header;
mod shutdown;

use crate::check::Check;

/// All checks, in groups of related ones.
pub static ALL: &[&[Check]] = &[
    bytes::CHECKS,
    files::CHECKS,
    endings::CHECKS,
    failures::CHECKS,
    concurrency::CHECKS,
    shutdown::CHECKS,
    events::CHECKS,
];
