//! Describes a strip chart for readers who cannot see it.

use flow_trace::State;

use super::{client_does, connections, seconds, size, thread_state_name, threads};
use crate::common::counted;
use crate::pictures::trace::{Connection, Server, Thread, Trace};

/// Returns the description of a whole picture.
pub fn of(trace: &Trace) -> String {
    let mut sentences = vec![format!(
        "This picture is drawn from a trace of {} s. Each client requests a file of {}.",
        seconds(trace.end_us),
        size(trace.file_bytes)
    )];
    for server in &trace.servers {
        let count = counted(server.connections.len(), "connection");
        sentences.push(format!("{} served {count}.", server.name));
        if connections::is_sum(server) {
            sentences.push(sum(server));
        } else {
            sentences.extend(server.connections.iter().map(connection));
        }
        if threads::are_counted(server) {
            let calls = threads::calls(server, trace.end_us / 2);
            sentences.push(format!("There were at most {} threads. {calls}", server.threads_max));
        } else {
            let rows = threads::rows(server).into_iter();
            let threads = rows.map(|(count, it)| format!("{count} × {}", thread(it, trace.end_us)));
            sentences.push(format!("Threads: {}.", threads.collect::<Vec<_>>().join("; ")));
        }
    }
    sentences.join(" ")
}

fn connection(connection: &Connection) -> String {
    let mut most = [0; 4];
    for sample in &connection.samples {
        let parts = sample.parts();
        most = std::array::from_fn(|part| most[part].max(parts[part]));
    }
    let [_, most_to_read, most_to_send, _] = most;
    let does = connection.settings.as_ref().map(client_does).unwrap_or_default();
    let does = if does.is_empty() { String::new() } else { format!(" ({})", does.join(", ")) };
    let waits = connection.spans().filter(|(.., state)| *state == State::Waiting);
    let waited_us: u64 = waits.map(|(from_us, to_us, _)| to_us.saturating_sub(from_us)).sum();
    format!(
        "Connection {}{does} lasted from {} s to {} s. The client read {}. There were at most {} in \
         the send buffer and {} in the receive buffer. The server waited for send-buffer space for \
         {} s.",
        connection.number,
        seconds(connection.from_us),
        seconds(connection.to_us),
        size(connection.last().read),
        size(most_to_send),
        size(most_to_read),
        seconds(waited_us),
    )
}

fn sum(server: &Server) -> String {
    let last = server.connections.iter().map(Connection::last);
    let (read, received, written) = last.fold((0, 0, 0), |(read, received, written), sample| {
        (read + sample.read, received + sample.received, written + sample.written)
    });
    format!(
        "At the end, {} were in the send buffers and {} in the receive buffers, and the clients had \
         read {}.",
        size(written - received),
        size(received - read),
        size(read)
    )
}

/// Returns the thread's name, and the state in which it was for the longest time.
fn thread(thread: &Thread, end_us: u64) -> String {
    let mut times = Vec::<(u64, String)>::new();
    for (from_us, to_us, state, call) in thread.spans(end_us) {
        let name = match call {
            "" => thread_state_name(state).to_owned(),
            call => format!("{} in {call}", thread_state_name(state)),
        };
        let us = to_us.saturating_sub(from_us);
        match times.iter_mut().find(|(_, known)| *known == name) {
            Some((time, _)) => *time += us,
            None => times.push((us, name)),
        }
    }
    let longest = times.into_iter().max().map(|(_, name)| name).unwrap_or_default();
    format!("{} mostly {longest}", thread.name)
}
