//! The content of the files, and its comparison with what a server sends.

use std::sync::OnceLock;

/// The longest content that is asked for, in bytes. It is made once.
const NOISE_BYTES: usize = 16 << 20;

/// Bytes that no two places share, NUL, CR and LF among them; always the same. 16 MiB at most.
pub fn noise(bytes: usize) -> &'static [u8] {
    static NOISE: OnceLock<Vec<u8>> = OnceLock::new();
    let noise = NOISE.get_or_init(|| {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut noise = Vec::with_capacity(NOISE_BYTES);
        while noise.len() < NOISE_BYTES {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            noise.extend_from_slice(&state.to_le_bytes());
        }
        noise
    });
    &noise[..bytes]
}

/// Describes the first difference between two byte strings. Returns `None` if they are equal.
pub fn difference(got: &[u8], expected: &[u8]) -> Option<String> {
    if got == expected {
        return None;
    }
    let Some(at) = got.iter().zip(expected).position(|(got, expected)| got != expected) else {
        let (got, expected) = (got.len(), expected.len());
        return Some(match got < expected {
            true if got == 0 => format!("nothing of {expected} bytes"),
            true => format!("only {got} of {expected} bytes; those are right"),
            false => {
                format!("{got} bytes, {} too many; the first {expected} are right", got - expected)
            }
        });
    };
    let show = |bytes: &[u8]| shown(&bytes[at..]);
    Some(format!("byte {at} differs: \"{}\" instead of \"{}\"", show(got), show(expected)))
}

/// The first bytes, escaped.
pub fn shown(bytes: &[u8]) -> String {
    const SHOWN_BYTES: usize = 24;
    // One of them may take four columns, and nothing breaks such a line.
    const COLUMNS: usize = 48;
    let mut text = String::new();
    for (index, byte) in bytes.iter().enumerate() {
        let escaped = byte.escape_ascii().to_string();
        if index == SHOWN_BYTES || text.len() + escaped.len() > COLUMNS {
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
    fn what_is_shown_fits_into_a_line() {
        assert_eq!(shown(b"short"), "short");
        assert_eq!(shown(&[b'a'; 25]), format!("{}…", "a".repeat(24)));
        assert_eq!(shown(&[0xff; 24]), format!("{}…", "\\xff".repeat(12)));
    }

    #[test]
    fn differences_are_said_in_words() {
        assert_eq!(difference(b"same", b"same"), None);
        let describe = |got: &[u8], expected: &[u8]| difference(got, expected).unwrap();
        assert_eq!(describe(b"", b"same"), "nothing of 4 bytes");
        assert_eq!(describe(b"sa", b"same"), "only 2 of 4 bytes; those are right");
        assert_eq!(describe(b"sames", b"same"), "5 bytes, 1 too many; the first 4 are right");
        assert_eq!(describe(b"a\r\n", b"a\n\n"), r#"byte 1 differs: "\r\n" instead of "\n\n""#);
    }

    #[test]
    fn noise_has_what_text_files_do_not() {
        for byte in [b"\0", b"\r", b"\n", b"\xff"] {
            assert!(noise(4096).windows(1).any(|window| window == byte));
        }
    }
}
