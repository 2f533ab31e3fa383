//! All checks, in the order of the contract's clauses.

mod bytes;
mod endings;
mod events;
mod failures;
mod files;
mod neighbours;
mod processes;

use crate::check::Check;

/// Every check there is.
pub static ALL: &[&[Check]] = &[
    bytes::CHECKS,
    files::CHECKS,
    endings::CHECKS,
    failures::CHECKS,
    neighbours::CHECKS,
    processes::CHECKS,
    events::CHECKS,
];
