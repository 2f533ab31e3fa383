//! Sizes and times as people write them, and as people read them.

use std::time::Duration;

use bytesize::ByteSize;

/// A size in bytes: `536`, `64KiB`, `1GiB`.
///
/// # Errors
///
/// What a size looks like.
pub fn bytes(text: &str) -> Result<u64, String> {
    let mend = "a size is a whole number of bytes, or has a unit: 536, 64KiB, 1GiB";
    text.trim().parse::<ByteSize>().map(|size| size.as_u64()).map_err(|_| mend.to_owned())
}

/// [`bytes`], but not zero.
///
/// # Errors
///
/// What a size looks like.
pub fn positive_bytes(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        0 => Err("the least is 1".to_owned()),
        bytes => Ok(bytes),
    }
}

/// A time: `500ms`, `5s`, `2m`.
///
/// # Errors
///
/// What a time looks like.
pub fn time(text: &str) -> Result<Duration, String> {
    let mend = "a time is a number with a unit: 500ms, 5s, 2m";
    humantime::parse_duration(text).map_err(|_| mend.to_owned())
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

/// A whole number with its thousands apart: `156,916`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_as_people_write_them() {
        assert_eq!(bytes("536"), Ok(536));
        assert_eq!(bytes("0"), Ok(0));
        assert_eq!(bytes("64KiB"), Ok(65_536));
        assert_eq!(bytes("1GiB"), Ok(1 << 30));
        assert!(bytes("much").unwrap_err().contains("64KiB"));
        assert!(positive_bytes("0").is_err());
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert!(time("5").unwrap_err().contains("500ms"));
        assert_eq!(at_least_one("3"), Ok(3));
        assert!(at_least_one("0").is_err() && at_least_one("-1").is_err());
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(156_916), "156,916");
        assert_eq!(grouped(1_000_000), "1,000,000");
    }
}
