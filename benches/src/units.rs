//! Sizes and durations in the command lines of the other programs.

pub use harness::text::{bytes, duration as time, grouped, positive_bytes};

/// Parses a whole number that is not zero.
///
/// # Errors
///
/// Describes the format.
pub fn at_least_one(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("the number must be at least 1".to_owned()),
        Ok(count) => Ok(count),
    }
}
