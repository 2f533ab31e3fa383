//! Sizes and times as people write them, and as people read them.

use std::time::Duration;

pub use harness::text::{bytes, grouped, positive_bytes, unescape as unescaped};

/// A time: `500ms`, `5s`, `2m`.
///
/// # Errors
///
/// What a time looks like.
pub fn time(text: &str) -> Result<Duration, String> {
    let help = "a time is a number with a unit: 500ms, 5s, 2m";
    humantime::parse_duration(text).map_err(|_| help.to_owned())
}

/// A whole number from 1 up.
///
/// # Errors
///
/// That it is not one.
pub fn at_least_one(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a whole number from 1 up".to_owned()),
        Ok(count) => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_counts_are_read_as_people_write_them() {
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert!(time("5").unwrap_err().contains("500ms"));
        assert_eq!(at_least_one("3"), Ok(3));
        assert!(at_least_one("0").is_err() && at_least_one("-1").is_err());
    }
}
