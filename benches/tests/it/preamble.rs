//! Tests the preambles that the load client accepts and rejects.

use benches::load::{Kind, Plan, PreambleKind, run};

use crate::in_time;
use crate::load::plan_for;
use crate::servers::{scripted, send_all};

/// Returns the kind of the failure if the load client rejects a reply, or `None` if the load client
/// accepts the reply. `file` is the expected content. Asserts that the result is the same whether
/// the reply arrives in one piece or byte by byte.
fn failure(preamble: PreambleKind, reply: &[u8], file: &[u8]) -> Option<Kind> {
    let failure_in_chunks = |chunk_bytes: usize| {
        let reply = reply.to_vec();
        let addr = scripted(1, move |_, stream| {
            stream.set_nodelay(true).unwrap();
            send_all(stream, &reply.chunks(chunk_bytes).collect::<Vec<_>>());
        });
        let plan = Plan { preamble, ..plan_for(addr, file) };
        let report = in_time(move || run(plan)).unwrap();
        report.failed.into_keys().next()
    };
    let failure = failure_in_chunks(reply.len());
    assert_eq!(
        failure_in_chunks(1),
        failure,
        "expected the same result when the reply arrives byte by byte"
    );
    failure
}

#[test]
fn a_bare_preamble_has_ten_bytes() {
    for kind in [PreambleKind::Auto, PreambleKind::Bare] {
        assert_eq!(failure(kind, b"HTTP/1.1\n\nfile", b"file"), None, "{kind:?}");
        assert_eq!(failure(kind, b"HTTP/1.1\n", b""), Some(Kind::Short), "{kind:?}");
        assert_eq!(failure(kind, b"HTTP/1.1\n\r", b""), Some(Kind::Preamble), "{kind:?}");
        assert_eq!(failure(kind, b"RIFF", b""), Some(Kind::Preamble), "{kind:?}");
    }
    assert_eq!(failure(PreambleKind::Bare, b"HTTP/1.1 200", b""), Some(Kind::Preamble));
}

#[test]
fn a_header_ends_with_an_empty_line() {
    let file = b"\r\n\r\nfile";
    let reply = [&b"HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n"[..], file].concat();
    for kind in [PreambleKind::Auto, PreambleKind::Http] {
        assert_eq!(failure(kind, &reply, file), None, "{kind:?}");
        assert_eq!(failure(kind, b"HTTP/1.0 200 OK\r\n\r\n", b""), None, "{kind:?}");
        assert_eq!(failure(kind, b"HTTP/1.1 200 OK\r\n", b""), Some(Kind::Short), "{kind:?}");
        let not_found = b"HTTP/1.1 404 Not Found";
        assert_eq!(failure(kind, not_found, b""), Some(Kind::Status), "{kind:?}");
        assert_eq!(failure(kind, b"HTTP/1.1x", b""), Some(Kind::Preamble), "{kind:?}");
        assert_eq!(failure(kind, b"HTTQ/1.1 200", b""), Some(Kind::Preamble), "{kind:?}");
    }
    assert_eq!(failure(PreambleKind::Http, b"HTTP/1.1\n\n", b""), Some(Kind::Preamble));
}

#[test]
fn a_header_that_does_not_end_is_rejected() {
    let mut reply = b"HTTP/1.1 200 OK\r\n".to_vec();
    reply.resize(16 * 1024 + 1, b'x');
    assert_eq!(failure(PreambleKind::Http, &reply, b""), Some(Kind::Preamble));
}

#[test]
fn without_a_preamble_the_reply_starts_with_the_file() {
    assert_eq!(failure(PreambleKind::None, b"HTTP/1.1\n\n", b"HTTP/1.1\n\n"), None);
}
