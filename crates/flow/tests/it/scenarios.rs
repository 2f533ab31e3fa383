//! Runs each scenario with real servers until its characteristic events have occurred.

use flow::scenarios::ALL;
use flow::trace::{Line, Server};

use crate::support::{Flow, wait_until};

const FILE_BYTES: u64 = 8 << 20;

fn start(siblings: &[&str], name: &str) -> Flow {
    let flow = Flow::start(siblings, FILE_BYTES);
    flow.scenarios.start(name).unwrap();
    wait_until("the start of the scenario", || started(&flow, name));
    flow
}

fn started(flow: &Flow, expected: &str) -> bool {
    flow.lines().iter().any(|line| matches!(line, Line::Scenario { name, .. } if name == expected))
}

fn wait_for_events(flow: &Flow, server: usize, name: &str, count: usize) {
    let expected = format!("{count} events `{name}` of server {server}");
    wait_until(&expected, || flow.events(server, name).len() >= count);
    assert_eq!(flow.events(server, name).len(), count, "{:?}", flow.events(server, name));
}

/// Returns the lines about the start and the end of a server.
fn server_lines(flow: &Flow, index: usize) -> Vec<Server> {
    let lines = flow.lines().into_iter().filter_map(|line| match line {
        Line::Server(server) if server.server == index => Some(server),
        _ => None,
    });
    lines.collect()
}

/// Returns the command line of a server that was started last.
fn command(flow: &Flow, server: usize) -> String {
    server_lines(flow, server).into_iter().filter_map(|line| line.command).next_back().unwrap()
}

#[test]
fn the_table_is_valid() {
    for scenario in ALL {
        let times: Vec<_> = scenario.steps.iter().map(|step| step.at).collect();
        assert!(times.is_sorted() && !times.is_empty(), "{}: {times:?}", scenario.name);
        let description = scenario.description;
        assert!(description.ends_with('.') && !description.contains(". "), "{description}");
        assert_eq!(ALL.iter().filter(|other| other.name == scenario.name).count(), 1);
    }
}

#[test]
fn an_unknown_scenario_is_an_error() {
    let error = flow::scenarios::by_name("slow").unwrap_err().to_string();
    assert!(error.starts_with("there is no scenario `slow`\nhelp: use one of slow-reader, "));
}

#[test]
fn a_slow_reader_does_not_delay_a_fast_client() {
    let flow = start(&["std", "tokio"], "slow-reader");
    for server in 0..2 {
        wait_for_events(&flow, server, "file_ended", 2);
        let first = flow.events(server, "connected")[0].connection;
        let ended = flow.events(server, "file_ended");
        assert_ne!(ended[0].connection, first, "expected that the fast client gets the file first");
    }
    // The scenario does not need other arguments, so it does not restart the servers.
    assert_eq!(server_lines(&flow, 0).len(), 1);
}

#[test]
fn chunks_of_one_byte_are_not_logged() {
    let flow = Flow::start(&["tokio"], 100_000);
    flow.scenarios.start("one-byte-chunks").unwrap();
    wait_for_events(&flow, 0, "disconnected", 1);
    assert!(command(&flow, 0).ends_with("--log json --chunk-size 1"), "{}", command(&flow, 0));
    assert_eq!(flow.events(0, "disconnected")[0].details, "sent 100010, received 0 bytes");
}

#[test]
fn the_sequential_server_serves_one_client_at_a_time() {
    let flow = start(&["tokio"], "sequential");
    for server in 0..2 {
        wait_for_events(&flow, server, "disconnected", 3);
    }
    assert_eq!([flow.max_connections(0), flow.max_connections(1)], [3, 1]);
    assert!(command(&flow, 1).starts_with("serve-sequential "), "{}", command(&flow, 1));
    // The server runs only during this scenario.
    flow.scenarios.start("half-close").unwrap();
    wait_until("the start of the scenario", || started(&flow, "half-close"));
    assert!(flow.servers.addr(0).is_some() && flow.servers.addr(1).is_none());
}

#[test]
fn servers_receive_an_upload_before_the_client_reads() {
    let flow = start(&["std", "tokio"], "upload-first");
    for server in 0..2 {
        wait_for_events(&flow, server, "disconnected", 1);
        let details = &flow.events(server, "disconnected")[0].details;
        assert_eq!(details, "sent 8388618, received 20000000 bytes");
    }
}

#[test]
fn half_close_still_sends_the_file() {
    let flow = start(&["std", "tokio"], "half-close");
    for server in 0..2 {
        wait_for_events(&flow, server, "disconnected", 1);
        let details = &flow.events(server, "disconnected")[0].details;
        assert_eq!(details, "sent 8388618, received 0 bytes");
    }
}

#[test]
fn a_reset_does_not_affect_another_client() {
    let flow = start(&["std", "tokio"], "reset");
    for server in 0..2 {
        wait_for_events(&flow, server, "disconnected", 4);
        let errors = flow.events(server, "error");
        assert_eq!(errors.len(), 3, "{errors:?}");
        assert!(errors.iter().all(|it| it.details.starts_with("connection_reset")), "{errors:?}");
        assert_eq!(flow.events(server, "file_ended").len(), 1);
    }
}

#[test]
fn only_a_stalled_client_is_reset() {
    let flow = start(&["std", "tokio"], "stall");
    for server in 0..2 {
        wait_for_events(&flow, server, "error", 1);
        let error = &flow.events(server, "error")[0];
        assert!(error.details.starts_with("stalled: "), "{error:?}");
        wait_for_events(&flow, server, "disconnected", 1);
    }
    // The client that was reset ends, although it does not read.
    wait_until("the end of the client", || flow.clients.open(0) == 1);
}

#[test]
fn the_connection_limit_is_not_exceeded() {
    let flow = start(&["std", "tokio"], "connection-limit");
    for server in 0..2 {
        wait_for_events(&flow, server, "disconnected", 8);
        assert_eq!(flow.max_connections(server), 4);
    }
}

#[test]
fn a_shutdown_sends_the_rest_to_clients_that_read() {
    let flow = start(&["std", "tokio"], "shutdown");
    let commands =
        |server| server_lines(&flow, server).iter().filter(|line| line.command.is_some()).count();
    for server in 0..2 {
        // The scenario needs additional arguments, so the servers start for the second time at the
        // beginning of the scenario, and for the third time after the shutdown.
        wait_until("another server", || commands(server) == 3);
        let ended: Vec<_> =
            server_lines(&flow, server).into_iter().filter_map(|line| line.ended).collect();
        assert_eq!(ended[1], "exit code 0", "{ended:?}");
        wait_until("a running server", || flow.servers.addr(server).is_some());
        assert_eq!(flow.events(server, "shutdown").len(), 2);
        // Two clients get the whole file, and the two non-reading clients do not.
        assert_eq!(flow.events(server, "file_ended").len(), 2);
        assert_eq!(flow.events(server, "disconnected").len(), 4);
    }
    assert_eq!(flow.notes(), Vec::<String>::new());
}

#[test]
fn a_new_scenario_replaces_the_previous_scenario() {
    let flow = start(&["std", "tokio"], "non-reading-200");
    for server in 0..2 {
        wait_for_events(&flow, server, "connected", 200);
    }
    // A new scenario ends all clients and cancels the previous scenario. The servers run with the
    // arguments of the new scenario.
    flow.scenarios.start("stall").unwrap();
    flow.scenarios.start("non-reading-1000").unwrap();
    wait_until("the start of the scenario", || started(&flow, "non-reading-1000"));
    assert!(!started(&flow, "stall"));
    assert!(command(&flow, 0).contains("--stall-timeout 1h"), "{}", command(&flow, 0));
    for server in 0..2 {
        wait_for_events(&flow, server, "connected", 1200);
        assert_eq!(flow.clients.open(server), 1000);
    }
    flow.scenarios.cancel();
    for server in 0..2 {
        wait_for_events(&flow, server, "disconnected", 1200);
        assert_eq!(flow.clients.open(server), 0);
        // The first 200 clients closed their connections before the end of the file.
        let errors = flow.events(server, "error");
        assert!(errors.iter().all(|it| it.details.starts_with("connection_reset")), "{errors:?}");
    }
}
