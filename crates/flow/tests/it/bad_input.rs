//! Tests of invalid requests and arguments.

use std::net::TcpListener;

use crate::program::{Program, run};

#[test]
fn an_invalid_request_is_an_error() {
    let flow = Program::start(&["--approach", "std"]);
    let cases = [
        ("POST", "/clients", "", 400, "not valid"),
        ("POST", "/clients", "{", 400, "not valid"),
        ("POST", "/clients", r#"{"count":0}"#, 400, "expected a count of 1 to 1000, got 0"),
        ("POST", "/clients", r#"{"count":1001}"#, 400, "got 1001"),
        ("POST", "/clients", r#"{"count":-1}"#, 400, "not valid"),
        ("POST", "/clients", r#"{"count":1,"more":1}"#, 400, "unknown field `more`"),
        ("POST", "/clients", r#"{"count":1,"servers":[7]}"#, 409, "7"),
        ("POST", "/clients", r#"{"count":1,"servers":[]}"#, 409, "no chosen server is running"),
        // The sequential server.
        ("POST", "/clients", r#"{"count":1,"servers":[1]}"#, 409, "no chosen server is running"),
        ("POST", "/clients", r#"{"count":1,"settings":{"speed":"x"}}"#, 400, "not valid"),
        ("PATCH", "/clients", r#"{"speed":-1}"#, 400, "not valid"),
        ("DELETE", "/clients", "[]", 400, "not valid"),
        ("POST", "/scenarios/no", "", 409, "there is no scenario `no`"),
        ("POST", "/scenarios/%00", "", 409, "there is no scenario"),
        ("GET", "/clients", "", 405, "not supported"),
        ("GET", "/../Cargo.toml", "", 404, "no such page"),
        ("GET", "/page/..%2fsrc%2flib.rs", "", 404, "no such page"),
    ];
    for (method, path, body, status, part) in cases {
        flow.request(method, path, body).expect_error(status, part);
    }
    let long = format!(r#"{{"count":1,"more":"{}"}}"#, "x".repeat(100 << 10));
    assert_eq!(flow.request("POST", "/clients", &long).status, 413);
    assert_eq!(flow.request("GET", "/session", "").json()["limits"]["clients"], 1000);
    let started = flow.request("POST", "/clients", r#"{"count":1,"servers":[0,1]}"#).json();
    assert_eq!(started["connections"], serde_json::json!([1]));
}

#[test]
fn a_port_in_use_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    run(&["--port", &port.to_string()]).expect_error(&format!("cannot listen on 127.0.0.1:{port}"));
}

#[test]
fn an_invalid_command_line_is_an_error() {
    let cases: [(&[&str], &str); 4] = [
        (&["--approach", "std,no"], "no"),
        (&["--cmd", "node server.mjs {file}"], "has no {port}"),
        (&["--file-size", "0"], "the minimum is 1"),
        (&["--file-size", "2GiB"], "the maximum is 1GiB"),
    ];
    for (arguments, part) in cases {
        let output = run(arguments);
        assert_eq!(output.code, Some(2), "{output:?}");
        assert!(output.stderr.contains(part), "expected {part:?} in {output:?}");
    }
}

#[test]
fn a_server_that_cannot_start_is_an_error() {
    let missing = run(&["--port", "0", "--cmd", "highwater-no-such-program {file} {port}"]);
    missing.expect_error("`highwater-no-such-program` is not installed");
}

#[test]
#[cfg(unix)]
fn a_server_that_ends_at_startup_is_an_error() {
    let command = "sh -c 'echo \"error: no luck\" >&2; exit 3' sh {file} {port}";
    let output = run(&["--port", "0", "--cmd", command]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("exit code 3; stderr: error: no luck"), "{output:?}");
}
