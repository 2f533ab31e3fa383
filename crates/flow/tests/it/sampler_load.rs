//! Samples servers with many connections.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use flow::sampler::{self, Sampler};
use flow::trace::{Line, Settings, State, ThreadState};

use crate::support::{DEADLINE, Flow, wait_until};

const SERVERS: [&str; 2] = ["std", "tokio"];

/// A file that does not fit into the buffers of a socket.
const FILE_BYTES: u64 = 16 << 20;

/// The threads of a server, by their ids.
type Threads = BTreeMap<u32, (String, ThreadState, Option<String>)>;

/// Starts clients that do not read. Their receive buffers are small, so that they need little memory.
fn start_non_reading_clients(flow: &Flow, count: usize) {
    let settings = Settings { speed: Some(0), receive_buffer: Some(4096), ..Settings::default() };
    for server in 0..SERVERS.len() {
        flow.clients.start(server, count, &settings).unwrap();
    }
}

/// Takes samples until a condition is true. Calls the function after each sample.
fn sample_until(flow: &Flow, sampler: &mut Sampler, mut is_true: impl FnMut(&[Line]) -> bool) {
    let started = Instant::now();
    loop {
        let targets = sampler::targets(&flow.hub, &flow.servers);
        let progress = |server, client| flow.servers.progress(server, client);
        let lines = sampler.sample(&flow.hub, &targets, &progress);
        if is_true(&lines) {
            return;
        }
        assert!(started.elapsed() < DEADLINE, "expected the condition within {DEADLINE:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn apply(threads: &mut [Threads; 2], lines: &[Line]) {
    for line in lines {
        let Line::Thread(thread) = line else { continue };
        if thread.server >= threads.len() {
            continue;
        }
        let threads = &mut threads[thread.server];
        if thread.state == ThreadState::Ended {
            assert!(threads.remove(&thread.thread).is_some(), "{thread:?} is unknown");
            continue;
        }
        let (name, state, call) = threads
            .entry(thread.thread)
            .or_insert_with(|| (thread.name.clone().unwrap(), thread.state, thread.call.clone()));
        (*state, *call) = (thread.state, thread.call.clone());
        if let Some(new) = &thread.name {
            name.clone_from(new);
        }
    }
}

/// Counts the threads with a name by the system calls in which they are blocked. The empty name
/// stands for all threads.
fn calls(threads: &Threads, name: &str) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for (its_name, _, call) in threads.values().filter(|(its_name, ..)| its_name.contains(name)) {
        let call = call.clone().unwrap_or_else(|| format!("`{its_name}` runs"));
        *calls.entry(call).or_default() += 1;
    }
    calls
}

#[test]
fn threads_are_blocked_in_the_calls_that_wait_for_clients() {
    const COUNT: usize = 200;
    let flow = Flow::start(&SERVERS, FILE_BYTES);
    let mut sampler = Sampler::new(Arc::clone(&flow.connections));
    let mut threads = [Threads::new(), Threads::new()];
    start_non_reading_clients(&flow, COUNT);
    sample_until(&flow, &mut sampler, |lines| {
        apply(&mut threads, lines);
        let [std, tokio] = &threads;
        // In std, one thread per connection writes, and a second thread reads what the client sends.
        let (std_calls, tokio_calls) = (calls(std, ""), calls(tokio, "tokio-rt-worker"));
        let is_waiting = |call| std_calls.get(call).is_some_and(|count| *count >= COUNT);
        // The threads of Tokio wait for the reactor, which waits in `epoll_wait`, or for tasks.
        let are_idle = tokio_calls.keys().eq(["epoll_wait", "futex"]);
        is_waiting("sendto") && is_waiting("recvfrom") && are_idle && tokio.len() < 50
    });
    let [std, tokio] = &threads;
    assert!(std.len() >= 2 * COUNT, "{std:?}");
    assert!(tokio.values().all(|(_, state, _)| *state == ThreadState::Blocked), "{tokio:?}");
    flow.clients.end(None);
    sample_until(&flow, &mut sampler, |lines| {
        apply(&mut threads, lines);
        threads[0].len() < 50 && flow.connections.all().is_empty()
    });
}

#[test]
fn the_sampler_uses_a_small_share_of_a_core() {
    let flow = Flow::start(&SERVERS, FILE_BYTES);
    start_non_reading_clients(&flow, 1000);
    wait_until("1000 connections per server", || {
        (0..SERVERS.len()).all(|server| flow.events(server, "connected").len() == 1000)
    });
    let (sender, stop) = mpsc::channel();
    let (hub, connections) = (Arc::clone(&flow.hub), Arc::clone(&flow.connections));
    let servers = flow.servers.clone();
    let sampler = thread::spawn(move || {
        sampler::run(&hub, connections, &servers, &stop);
        let schedstat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        let ns = schedstat.split_whitespace().next().unwrap().parse().unwrap();
        Duration::from_nanos(ns)
    });
    let started = Instant::now();
    thread::sleep(Duration::from_secs(5));
    drop(sender);
    let used = sampler.join().unwrap();
    let elapsed = started.elapsed();
    let times: HashSet<u64> = flow
        .lines()
        .iter()
        .filter_map(|line| match line {
            Line::Usage(usage) if usage.server == 0 => Some(usage.at_us),
            _ => None,
        })
        .collect();
    assert!(times.len() >= 3, "expected at least 3 samples, got {}", times.len());
    assert!(used < elapsed * 15 / 100, "expected at most 15% of {elapsed:?}, got {used:?}");
}

#[test]
fn ended_connections_are_reported_once_and_forgotten() {
    let flow = Flow::start(&SERVERS, 100_000);
    let mut sampler = Sampler::new(Arc::clone(&flow.connections));
    let mut ends = HashMap::new();
    for round in 1..=3 {
        for server in 0..SERVERS.len() {
            flow.clients.start(server, 150, &Settings::default()).unwrap();
        }
        sample_until(&flow, &mut sampler, |lines| {
            for line in lines {
                let Line::Connection(connection) = line else { continue };
                if let Some(state @ (State::Closed | State::Reset)) = connection.state {
                    assert_eq!(ends.insert(connection.connection, state), None);
                }
            }
            flow.connections.all().is_empty()
        });
        assert_eq!(ends.len(), round * 300);
    }
    assert!(ends.values().all(|state| *state == State::Closed), "{ends:?}");
}
