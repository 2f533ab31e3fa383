//! All checks, grouped by subject.

mod bytes;
mod common;
mod concurrency;
mod endings;
mod errors;
mod events;
mod failures;
mod files;
mod grammar;
mod header;
#[cfg(test)]
mod properties;
mod shutdown;

use crate::check::Check;

/// All checks, grouped by subject.
pub static ALL: &[&[Check]] = &[
    bytes::CHECKS,
    files::CHECKS,
    endings::CHECKS,
    failures::CHECKS,
    errors::CHECKS,
    concurrency::CHECKS,
    shutdown::CHECKS,
    events::CHECKS,
];

/// Pairs of a check's earlier name and its current name. `--only` accepts both names.
pub static RENAMED: &[(&str, &str)] = &[
    ("opened-anew", "replaced-file"),
    ("nothing-else", "request-ignored"),
    ("late-words", "data-after-fin"),
    ("idle-let-go", "idle-disconnect"),
    ("flooder-let-go", "flood-disconnect"),
    ("stalled-cut-off", "stalled-reset"),
    ("slow-not-cut-off", "slow-not-reset"),
    ("descriptors-return", "descriptors-closed"),
    ("stalled-neighbour", "few-stalled"),
    ("flooder-beside", "flooding-client"),
    ("cap", "connection-limit"),
    ("sigterm-cut", "sigterm-disconnect"),
];
