//! The one table of all siblings. Whoever compares them (tests, benches, checks) goes through it,
//! so that a new sibling is one more line here.

use serve_core::Approach;

/// All siblings, in the order in which the lessons meet them.
pub const ALL: [&Approach; 4] = [
    &serve_std::APPROACH,
    &serve_tokio::APPROACH,
    &serve_async_std::APPROACH,
    &serve_smol::APPROACH,
];

/// The sibling of a name, as in `serve-NAME`.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Approach> {
    ALL.into_iter().find(|approach| approach.name == name)
}
