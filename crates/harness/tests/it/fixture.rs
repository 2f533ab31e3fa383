//! Tests the content of the files that the servers send.

use harness::fixture::{noise, write_noise};

#[test]
fn noise_contains_bytes_that_text_does_not_contain() {
    for byte in [b'\0', b'\r', b'\n', b'\xff'] {
        assert!(noise(4096).contains(&byte));
    }
}

#[test]
fn a_file_of_noise_has_the_requested_length_and_does_not_repeat() {
    let folder = harness::TempFolder::new().unwrap();
    let path = folder.path().join("noise.bin");
    write_noise(&path, 2_100_003).unwrap();
    let content = std::fs::read(&path).unwrap();
    assert_eq!(content.len(), 2_100_003);
    assert_eq!(content[..2_100_000], *noise(2_100_000));
    assert_ne!(content[..1000], content[1_000_000..1_001_000]);
}
