//! Numbers, times and bytes as people write them, and as people read them.

use std::time::Duration;

use bytesize::ByteSize;

/// Bytes in a line of [`hex`].
const HEX_LINE_BYTES: usize = 16;

/// A size in bytes: `10`, `64KiB`.
///
/// # Errors
///
/// What a size looks like.
pub fn bytes(text: &str) -> Result<u64, String> {
    let help = "a size is a whole number of bytes, or has a unit: 536, 64KiB, 20MB";
    text.trim().parse::<ByteSize>().map(|size| size.as_u64()).map_err(|_| help.to_owned())
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

/// A time in seconds, or with a unit: `3`, `0.5`, `500ms`.
///
/// # Errors
///
/// What a time looks like.
pub fn time(text: &str) -> Result<Duration, String> {
    let help = "a time is a number of seconds, or has a unit: 3, 0.5, 500ms";
    match text.trim().parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| help.to_owned()),
        Err(_) => humantime::parse_duration(text).map_err(|_| help.to_owned()),
    }
}

/// What is said, its escapes read: `\r`, `\n`, `\t`, `\\`, `\xNN`.
///
/// # Errors
///
/// The escapes that there are.
pub fn unescaped(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        out.push(match chars.next() {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('\\') => b'\\',
            Some('x') => {
                let mut digit = || chars.next().and_then(|char| char.to_digit(16));
                match (digit(), digit()) {
                    (Some(high), Some(low)) => (high * 16 + low) as u8,
                    _ => return Err("after \\x come two digits: \\x0a".to_owned()),
                }
            }
            _ => return Err("after \\ comes r, n, t, \\ or xNN".to_owned()),
        });
    }
    Ok(out)
}

/// A count with its thousands apart: `156,926 bytes`, `1 byte`.
pub fn counted(bytes: u64) -> String {
    match bytes {
        1 => "1 byte".to_owned(),
        _ => format!("{} bytes", grouped(bytes)),
    }
}

/// A whole number with its thousands apart: `156,926`.
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

/// `0.4 ms`, `250 ms`, `3.0 s`.
pub fn elapsed(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    match ms {
        // What rounding makes of them belongs to the next form.
        ..9.95 => format!("{ms:.1} ms"),
        ..999.5 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1e3),
    }
}

/// Bytes in hexadecimal and as characters, 16 a line; `more` followed that are not shown.
pub fn hex(bytes: &[u8], has_more: bool) -> String {
    let mut out = String::new();
    let lines = bytes.chunks(HEX_LINE_BYTES);
    let last = lines.len().saturating_sub(1);
    for (at, line) in lines.enumerate() {
        let mut digits = String::new();
        for (at, byte) in line.iter().enumerate() {
            let gap = if at == HEX_LINE_BYTES / 2 { " " } else { "" };
            digits.push_str(&format!("{gap}{byte:02x} "));
        }
        let chars: String = line.iter().map(|&byte| shown(byte)).collect();
        let more = if has_more && at == last { " …" } else { "" };
        // Two digits and a space each, and the gap in the middle.
        out.push_str(&format!("{digits:width$} {chars}{more}\n", width = HEX_LINE_BYTES * 3 + 1));
    }
    out
}

fn shown(byte: u8) -> char {
    match byte {
        b' '..=b'~' => char::from(byte),
        _ => '.',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_as_people_write_them() {
        assert_eq!(bytes("10"), Ok(10));
        assert_eq!(bytes("64KiB"), Ok(65_536));
        assert!(bytes("much").unwrap_err().contains("64KiB"));
        assert!(positive_bytes("0").is_err());
        assert_eq!(time("3"), Ok(Duration::from_secs(3)));
        assert_eq!(time("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["soon", "-1", "inf", ""] {
            assert!(time(wrong).unwrap_err().contains("500ms"), "{wrong}");
        }
    }

    #[test]
    fn escapes_are_read() {
        assert_eq!(unescaped("GET /\\r\\n"), Ok(b"GET /\r\n".to_vec()));
        assert_eq!(unescaped("ä\\t\\\\\\xff"), Ok(b"\xc3\xa4\t\\\xff".to_vec()));
        for wrong in ["\\", "\\q", "\\x", "\\x0", "\\xzz"] {
            assert!(unescaped(wrong).unwrap_err().contains("after \\"), "{wrong}");
        }
    }

    #[test]
    fn numbers_and_times_are_written_for_people() {
        assert_eq!(counted(1), "1 byte");
        assert_eq!(counted(0), "0 bytes");
        assert_eq!(counted(156_926), "156,926 bytes");
        assert_eq!(grouped(1_000_000), "1,000,000");
        let written = |us| elapsed(Duration::from_micros(us));
        assert_eq!(written(412), "0.4 ms");
        assert_eq!(written(9_949), "9.9 ms");
        assert_eq!(written(9_960), "10 ms");
        assert_eq!(written(999_400), "999 ms");
        assert_eq!(written(999_600), "1.0 s");
        assert_eq!(written(3_000_000), "3.0 s");
    }

    #[test]
    fn bytes_are_shown_both_ways() {
        let line = "48 54 54 50 2f 31 2e 31  0a 0a                    HTTP/1.1..\n";
        assert_eq!(hex(b"HTTP/1.1\n\n", false), line);
        let two = hex(&[0; 32], true);
        assert_eq!(two.lines().count(), 2);
        assert!(two.ends_with(" ................ …\n"));
        assert!(two.lines().all(|line| line.chars().count() <= 80));
        assert_eq!(hex(&[], false), "");
    }
}
