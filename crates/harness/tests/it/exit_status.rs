//! Tests how a group ends.

use std::process::Command;
use std::time::Duration;

use harness::{Group, Signal};

#[test]
fn the_exit_status_is_reported() {
    let mut group = Group::spawn(Command::new("sh").args(["-c", "exit 3"])).unwrap();
    assert_eq!(group.wait(Duration::from_secs(20)).and_then(|status| status.code()), Some(3));
    assert_eq!(group.kill().and_then(|status| status.code()), Some(3));
    let mut group = Group::spawn(Command::new("sleep").arg("60")).unwrap();
    // A background job of a script ignores SIGINT, and its processes inherit this setting.
    group.signal(Signal::Terminate);
    let status = group.wait(Duration::from_secs(20)).unwrap();
    assert_eq!(harness::describe_exit(status), "signal 15 (SIGTERM)");
    assert!(Group::spawn(&mut Command::new("/does/not/exist")).is_err());
}
