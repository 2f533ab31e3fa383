//! What the files hold.

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

/// How two strings of bytes differ, in words; `None` if they do not.
pub fn difference(got: &[u8], wanted: &[u8]) -> Option<String> {
    if got == wanted {
        return None;
    }
    let Some(at) = got.iter().zip(wanted).position(|(got, wanted)| got != wanted) else {
        let (got, wanted) = (got.len(), wanted.len());
        return Some(match got < wanted {
            true if got == 0 => format!("nothing of {wanted} bytes"),
            true => format!("only {got} of {wanted} bytes; those are right"),
            false => {
                format!("{got} bytes, {} too many; the first {wanted} are right", got - wanted)
            }
        });
    };
    let show = |bytes: &[u8]| shown(&bytes[at..]);
    Some(format!("byte {at} differs: \"{}\" instead of \"{}\"", show(got), show(wanted)))
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
        let says = |got: &[u8], wanted: &[u8]| difference(got, wanted).unwrap();
        assert_eq!(says(b"", b"same"), "nothing of 4 bytes");
        assert_eq!(says(b"sa", b"same"), "only 2 of 4 bytes; those are right");
        assert_eq!(says(b"sames", b"same"), "5 bytes, 1 too many; the first 4 are right");
        assert_eq!(says(b"a\r\n", b"a\n\n"), r#"byte 1 differs: "\r\n" instead of "\n\n""#);
    }

    #[test]
    fn noise_has_what_text_files_do_not() {
        for byte in [b"\0", b"\r", b"\n", b"\xff"] {
            assert!(noise(4096).windows(1).any(|window| window == byte));
        }
    }
}
