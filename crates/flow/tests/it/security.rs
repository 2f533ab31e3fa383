//! Tests that other web pages cannot use the server of the page.

use crate::program::Program;

#[test]
fn every_request_needs_the_token() {
    let flow = Program::start(&["--approach", "std"]);
    let host = format!("Host: 127.0.0.1:{}", flow.port);
    let requests = [
        ("GET", "/session"),
        ("GET", "/stream"),
        ("GET", "/trace"),
        ("POST", "/clients"),
        ("PATCH", "/clients"),
        ("DELETE", "/clients"),
        ("POST", "/scenarios/reset"),
        ("POST", "/clear"),
    ];
    for (method, path) in requests {
        flow.request_with(method, path, &[&host], "{}").expect_error(403, "token");
        let wrong = format!("{path}?token={}", "0".repeat(32));
        flow.request_with(method, &wrong, &[&host], "{}").expect_error(403, "token");
    }
    // The files of the page contain no secrets.
    for path in ["/", "/page/live.js", "/page/flow.css"] {
        assert_eq!(flow.request_with("GET", path, &[&host], "").status, 200, "{path}");
    }
    let in_url = format!("/session?token={}", flow.token);
    assert_eq!(flow.request_with("GET", &in_url, &[&host], "").json()["mode"], "live");
    let in_header = format!("x-flow-token: {}", flow.token);
    assert_eq!(flow.request_with("POST", "/clear", &[&host, &in_header], "").status, 204);
}

#[test]
fn a_request_to_another_host_is_rejected() {
    let flow = Program::start(&["--approach", "std"]);
    let path = format!("/session?token={}", flow.token);
    let valid = [format!("127.0.0.1:{}", flow.port), format!("localhost:{}", flow.port)];
    for host in &valid {
        let host = format!("Host: {host}");
        assert_eq!(flow.request_with("GET", &path, &[&host], "").status, 200, "{host}");
    }
    let invalid = [
        format!("attacker.example:{}", flow.port),
        format!("127.0.0.1.attacker.example:{}", flow.port),
        "127.0.0.1".to_owned(),
        "127.0.0.1:1".to_owned(),
        format!("localhost:{}/", flow.port),
        String::new(),
    ];
    for host in invalid {
        let header = format!("Host: {host}");
        for path in [path.as_str(), "/", "/page/live.js"] {
            flow.request_with("GET", path, &[&header], "").expect_error(403, "host");
        }
        let both = [format!("Host: {}", valid[0]), header];
        let both: Vec<&str> = both.iter().map(String::as_str).collect();
        assert_ne!(flow.request_with("GET", &path, &both, "").status, 200, "{both:?}");
    }
    flow.request_with("GET", &path, &[], "").expect_error(403, "host");
}

#[test]
fn a_request_from_another_page_is_rejected() {
    let flow = Program::start(&["--approach", "std"]);
    let host = format!("Host: 127.0.0.1:{}", flow.port);
    let path = format!("/clear?token={}", flow.token);
    for origin in ["127.0.0.1", "localhost"] {
        let origin = format!("Origin: http://{origin}:{}", flow.port);
        assert_eq!(flow.request_with("POST", &path, &[&host, &origin], "").status, 204);
    }
    let invalid = [
        "null".to_owned(),
        "http://attacker.example".to_owned(),
        format!("http://attacker.example:{}", flow.port),
        format!("https://127.0.0.1:{}", flow.port),
        "http://127.0.0.1:1".to_owned(),
    ];
    for origin in invalid {
        let origin = format!("Origin: {origin}");
        let response = flow.request_with("POST", &path, &[&host, &origin], "");
        response.expect_error(403, "another web page");
    }
}

#[test]
fn every_response_restricts_the_page() {
    let flow = Program::start(&["--approach", "std"]);
    let host = format!("Host: 127.0.0.1:{}", flow.port);
    for path in ["/", "/page/live.js", "/page/no.js", "/session", "/no"] {
        let response = flow.request_with("GET", path, &[&host], "");
        for header in [
            "cache-control: no-store",
            "content-security-policy: default-src 'none'; script-src 'self';",
            "referrer-policy: no-referrer",
            "x-content-type-options: nosniff",
        ] {
            assert!(response.head.contains(header), "expected {header} in {response:?}");
        }
        assert!(!response.head.contains("access-control"), "{response:?}");
    }
}
