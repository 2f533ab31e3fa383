//! Tests of the preamble and the file in a reply.

#[cfg(target_os = "linux")]
use std::fs;
use std::io::{self, Read};
#[cfg(target_os = "linux")]
use std::net::{TcpListener, TcpStream};
use std::path::Path;

#[cfg(target_os = "linux")]
use serve_core::Body;
use serve_core::{Config, EventLog, Preamble, Reply, Server};

use crate::file_with;

fn server_of(preamble: Preamble, path: &Path) -> Server {
    let mut config = Config::new(path);
    config.preamble = preamble;
    Server::new(config, EventLog::off())
}

fn reply_for(preamble: Preamble, path: &Path) -> Reply {
    Reply::open(&server_of(preamble, path))
}

fn text(reply: &Reply) -> &str {
    std::str::from_utf8(&reply.preamble).unwrap()
}

/// Returns the bytes that the server sends before it opens the file, and the rest of the preamble.
fn preamble_for(preamble: Preamble, path: &Path) -> String {
    let fixed = std::str::from_utf8(preamble.fixed_bytes()).unwrap();
    fixed.to_owned() + text(&reply_for(preamble, path))
}

#[test]
fn preambles_are_exact() {
    let (_folder, path) = file_with("picture.webp", b"seven b");
    assert_eq!(preamble_for(Preamble::Bare, &path), "HTTP/1.1\n\n");
    assert_eq!(preamble_for(Preamble::None, &path), "");
    let reply = reply_for(Preamble::Http, &path);
    assert_eq!(
        text(&reply),
        "HTTP/1.1 200 OK\r\nContent-Type: image/webp\r\nContent-Length: 7\r\n\
         Connection: close\r\n\r\n"
    );
    let body = reply.body.unwrap();
    assert_eq!(body.bytes, 7);
    let mut content = String::new();
    (&*body.file).read_to_string(&mut content).unwrap();
    assert_eq!(content, "seven b");
}

#[test]
fn an_unknown_extension_has_the_type_octet_stream() {
    let (_folder, path) = file_with("no-ending", b"");
    let reply = reply_for(Preamble::Http, &path);
    assert!(text(&reply).contains("Content-Type: application/octet-stream\r\n"));
    assert!(text(&reply).contains("Content-Length: 0\r\n"));
}

#[test]
fn the_http_preamble_reports_a_file_that_cannot_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let reply = reply_for(Preamble::Bare, &missing);
    assert_eq!(text(&reply), "", "expected no bytes after the fixed bytes");
    assert_eq!(reply.body.unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(preamble_for(Preamble::None, &missing), "");
    assert_eq!(
        text(&reply_for(Preamble::Http, &missing)),
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
}

#[cfg(unix)]
#[test]
fn a_directory_is_not_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let reply = reply_for(Preamble::Http, folder.path());
    assert!(text(&reply).starts_with("HTTP/1.1 404 Not Found\r\n"));
    assert_eq!(reply.body.unwrap_err().kind(), io::ErrorKind::IsADirectory);
}

#[cfg(target_os = "linux")]
#[test]
fn only_a_cached_regular_file_is_opened_without_waiting() {
    let (folder, path) = file_with("seven", b"seven b");
    let server = server_of(Preamble::Bare, &path);
    assert!(Reply::open_cached(&server).is_none(), "expected an unknown file system");
    assert!(Reply::open(&server).preamble.is_empty());
    let reply = Reply::open_cached(&server).unwrap();
    assert_eq!(text(&reply), "HTTP/1.1\n\n");
    assert_eq!(reply.body.unwrap().bytes, 7);
    for not_a_file in [&folder.path().join("missing"), folder.path()] {
        let server = server_of(Preamble::Bare, not_a_file);
        assert!(Reply::open(&server).body.is_err());
        assert!(Reply::open_cached(&server).is_none());
    }
    fs::remove_file(&path).unwrap();
    assert!(Reply::open_cached(&server).is_none());
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_not_on_a_disk_is_not_opened_without_waiting() {
    let (_folder, path) = file_with("link", b"");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/proc/self/stat", &path).unwrap();
    let server = server_of(Preamble::None, &path);
    for _ in 0..2 {
        assert!(!Reply::open(&server).body.unwrap().file.is_local());
        assert!(Reply::open_cached(&server).is_none());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_on_another_device_is_not_opened_without_waiting() {
    let (_folder, path) = file_with("file", b"");
    let server = server_of(Preamble::None, &path);
    assert!(Reply::open(&server).body.unwrap().file.is_local());
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/proc/self/stat", &path).unwrap();
    assert!(Reply::open_cached(&server).is_none());
}

#[cfg(target_os = "linux")]
#[test]
fn sendfile_copies_to_the_socket_and_reports_a_shorter_file() {
    let (_folder, path) = file_with("seven", b"seven b");
    let body = Body::open(&path).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    assert_eq!(body.sendfile(&stream, 3).unwrap(), 3);
    assert_eq!(body.sendfile(&stream, 100).unwrap(), 4);
    let mut received = [0; 7];
    client.read_exact(&mut received).unwrap();
    assert_eq!(&received, b"seven b");
    let error = body.sendfile(&stream, 1).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}
