//! Tests of reading a file in chunks and pieces.

use std::{fs, io};

use serve_core::{Body, ChunkReader, Config, EventLog, Server};
use tempfile::TempDir;

use crate::file_with;

const PATTERN: [u8; 7] = *b"seven b";

/// Creates a file of `bytes` bytes in which [`PATTERN`] is repeated. Returns the file's folder and
/// a server for the file.
fn server(bytes: usize, chunk_bytes: usize, reads_page_cache: bool) -> (TempDir, Server) {
    let content: Vec<u8> = PATTERN.into_iter().cycle().take(bytes).collect();
    let (folder, path) = file_with("file", &content);
    let mut config = Config::new(path);
    config.chunk_bytes = chunk_bytes;
    let mut server = Server::new(config, EventLog::off());
    server.reads_page_cache &= reads_page_cache;
    (folder, server)
}

fn reader(server: &Server) -> ChunkReader {
    ChunkReader::new(Body::open(&server.config.file).unwrap(), server)
}

/// Reads the whole file. A simulated kernel accepts at most `accepted_max` bytes of each piece.
/// Returns the chunks, and the number of bytes that were read.
fn read_all(mut reader: ChunkReader, accepted_max: usize) -> io::Result<(Vec<Vec<u8>>, usize)> {
    let (mut chunks, mut read_bytes) = (Vec::new(), 0);
    while let Some(chunk_bytes) = reader.next_chunk() {
        let mut chunk = Vec::new();
        while reader.remaining() > 0 {
            let Some(mut piece) = reader.try_read_cached()? else {
                reader = reader.fetch()?;
                continue;
            };
            read_bytes += piece.len();
            let accepted = piece.len().min(accepted_max);
            chunk.extend_from_slice(&piece[..accepted]);
            piece.advance(accepted);
        }
        assert_eq!(chunk.len(), chunk_bytes);
        chunks.push(chunk);
    }
    Ok((chunks, read_bytes))
}

#[test]
fn all_chunks_are_full_except_the_last() {
    for reads_page_cache in [true, false] {
        for (chunk_bytes, expected) in [
            (1, &["s", "e", "v", "e", "n", " ", "b"][..]),
            (3, &["sev", "en ", "b"]),
            (7, &["seven b"]),
            (100, &["seven b"]),
        ] {
            let (_folder, server) = server(7, chunk_bytes, reads_page_cache);
            let (chunks, read_bytes) = read_all(reader(&server), usize::MAX).unwrap();
            assert!(chunks.iter().eq(expected.iter().map(|chunk| chunk.as_bytes())));
            assert_eq!(read_bytes, 7, "expected each byte to be read once");
        }
    }
}

#[test]
fn a_large_chunk_is_read_in_pieces() {
    for reads_page_cache in [true, false] {
        let (_folder, server) = server(1_000_000, 1 << 30, reads_page_cache);
        let (chunks, read_bytes) = read_all(reader(&server), usize::MAX).unwrap();
        assert_eq!(chunks.len(), 1);
        assert!(chunks[0].iter().eq(PATTERN.iter().cycle().take(1_000_000)));
        assert_eq!(read_bytes, 1_000_000, "expected each byte to be read once");
    }
}

#[test]
fn rejected_bytes_are_read_again_but_not_too_often() {
    for reads_page_cache in [true, false] {
        for accepted_max in [2048, 5000, 100_000] {
            let (_folder, server) = server(1_000_000, 65_536, reads_page_cache);
            let (chunks, read_bytes) = read_all(reader(&server), accepted_max).unwrap();
            assert!(chunks.concat().iter().eq(PATTERN.iter().cycle().take(1_000_000)));
            assert!(
                read_bytes < 3_000_000,
                "accepted_max {accepted_max}: expected fewer than 3000000 bytes, got {read_bytes}"
            );
        }
    }
}

#[test]
fn a_file_that_shrank_is_an_error() {
    for reads_page_cache in [true, false] {
        let (_folder, server) = server(7, 3, reads_page_cache);
        let reader = reader(&server);
        fs::write(&server.config.file, "seven").unwrap();
        let error = read_all(reader, usize::MAX).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[test]
fn an_empty_file_has_no_chunk() {
    let (_folder, server) = server(0, 3, true);
    assert_eq!(reader(&server).next_chunk(), None);
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_was_just_written_is_cached() {
    let (_folder, server) = server(7, 3, true);
    let mut reader = reader(&server);
    assert_eq!(reader.next_chunk(), Some(3));
    assert_eq!(&*reader.try_read_cached().unwrap().unwrap(), b"sev");
}
