//! Compares the bytes that a server sent with the expected bytes.

use std::cmp::Ordering;

/// Describes the first difference between two byte strings. Returns `None` if the byte strings are
/// equal.
pub fn difference(actual: &[u8], expected: &[u8]) -> Option<String> {
    let common = actual.len().min(expected.len());
    let is_different = |(actual, expected)| actual != expected;
    // A debug build compares slices much faster than single bytes.
    let differs = actual[..common] != expected[..common];
    let first = || actual.iter().zip(expected).position(is_different);
    if let Some(at) = differs.then(first).flatten() {
        let (expected, actual) = (shown(&expected[at..]), shown(&actual[at..]));
        return Some(format!(
            "the byte at offset {at} differs: expected \"{expected}\", got \"{actual}\""
        ));
    }
    let (actual, expected) = (actual.len(), expected.len());
    let actual = match actual.cmp(&expected) {
        Ordering::Equal => return None,
        Ordering::Less if actual == 0 => "none".to_owned(),
        Ordering::Less => format!("{actual}, all correct"),
        Ordering::Greater => format!("{actual}: {} extra at the end", actual - expected),
    };
    Some(format!("expected {expected} bytes, got {actual}"))
}

/// Returns the first bytes as escaped text with at most 48 columns. Appends `…` if bytes are
/// omitted.
pub fn shown(bytes: &[u8]) -> String {
    const BYTES_MAX: usize = 24;
    const COLUMNS_MAX: usize = 48;
    let mut text = String::new();
    for (index, byte) in bytes.iter().enumerate() {
        let escaped = byte.escape_ascii().to_string();
        if index == BYTES_MAX || text.len() + escaped.len() > COLUMNS_MAX {
            text.push('…');
            break;
        }
        text.push_str(&escaped);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_bytes_fit_into_a_line() {
        assert_eq!(shown(b"short"), "short");
        assert_eq!(shown(&[b'a'; 25]), format!("{}…", "a".repeat(24)));
        assert_eq!(shown(&[0xff; 24]), format!("{}…", "\\xff".repeat(12)));
    }

    #[test]
    fn differences_state_both_values() {
        assert_eq!(difference(b"same", b"same"), None);
        let describe = |actual: &[u8], expected: &[u8]| difference(actual, expected).unwrap();
        assert_eq!(describe(b"", b"same"), "expected 4 bytes, got none");
        assert_eq!(describe(b"sa", b"same"), "expected 4 bytes, got 2, all correct");
        assert_eq!(describe(b"sames", b"same"), "expected 4 bytes, got 5: 1 extra at the end");
        let expected = r#"the byte at offset 1 differs: expected "\n\n", got "\r\n""#;
        assert_eq!(describe(b"a\r\n", b"a\n\n"), expected);
    }
}
