//! Reads a trace that `flow record` has written, and collects the values of each connection and of
//! each thread.

use std::collections::BTreeMap;

use flow_trace::{self as trace, Header, Line, Settings, State, ThreadState, VERSION};

use super::source::Source;

const HELP: &str = "record the trace again: cargo run -p docs-tool -- pictures --record-traces";

/// A complete trace. All times count from the start of the first scenario or connection.
#[derive(Debug)]
pub struct Trace {
    pub file_bytes: u64,
    /// The name of the scenario, or an empty string.
    pub scenario: String,
    pub servers: Vec<Server>,
    pub end_us: u64,
}

#[derive(Debug, Default)]
pub struct Server {
    pub name: String,
    pub connections: Vec<Connection>,
    pub threads: Vec<Thread>,
    pub threads_max: u64,
    pub memory_bytes_max: u64,
}

#[derive(Debug, Default)]
pub struct Connection {
    pub number: u32,
    /// The first settings of the client. `None` if another program started the client.
    pub settings: Option<Settings>,
    pub from_us: u64,
    /// The time at which the connection closed, or the end of the trace.
    pub to_us: u64,
    /// At least one sample.
    pub samples: Vec<Sample>,
    pub states: Vec<(u64, State)>,
    pub events: Vec<(u64, String)>,
}

/// The numbers of bytes of the reply that have reached each stage. Each number includes the numbers
/// before it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    pub at_us: u64,
    pub read: u64,
    pub received: u64,
    pub written: u64,
    /// The bytes that the server's process has read from the file.
    pub loaded: u64,
}

#[derive(Debug)]
pub struct Thread {
    pub id: u32,
    pub name: String,
    /// The states, with the system call in which the thread is blocked.
    pub states: Vec<(u64, ThreadState, String)>,
}

impl Trace {
    /// Returns the length of the longest reply. The preamble precedes the file.
    pub fn reply_bytes(&self) -> u64 {
        let connections = self.servers.iter().flat_map(|server| &server.connections);
        let longest = connections.map(|connection| connection.last().loaded).max();
        longest.unwrap_or(0).max(self.file_bytes)
    }

    /// Reads a trace, and checks that it is complete.
    ///
    /// # Errors
    ///
    /// Returns the message of an error in a line of the trace.
    pub fn read(source: &Source) -> Result<Self, String> {
        let mut texts = source.text.lines().enumerate();
        let first = texts.next().map(|(_, text)| serde_json::from_str(text));
        let header: Header = match first {
            Some(Ok(header)) => header,
            _ => return Err(source.error(1, "the first line is not the header of a trace", HELP)),
        };
        if header.flow_trace != VERSION {
            let what = format!("expected a trace of version {VERSION}, got {}", header.flow_trace);
            return Err(source.error(1, &what, HELP));
        }
        let mut lines = Vec::new();
        for (at, text) in texts {
            let invalid = |error: serde_json::Error| source.error(at + 1, &error.to_string(), HELP);
            lines.push(serde_json::from_str(text).map_err(invalid)?);
        }
        let Some(Line::End { at_us }) = lines.last() else {
            return Err(source.error(lines.len() + 1, "the trace is incomplete", HELP));
        };
        let mut reader = Reader::new(header, &lines, *at_us);
        lines.into_iter().for_each(|line| reader.add(line));
        reader.finish().ok_or_else(|| source.error(1, "the trace has no connection", HELP))
    }
}

/// The values that a connection had in the last line about it.
#[derive(Debug, Default)]
struct Known {
    read: u64,
    received: u64,
    written: u64,
    in_process: u64,
}

struct Reader {
    trace: Trace,
    from_us: u64,
    connections: Vec<BTreeMap<u32, (Known, Connection)>>,
}

impl Reader {
    fn new(header: Header, lines: &[Line], end_us: u64) -> Self {
        let starts = lines.iter().filter_map(|line| match line {
            Line::Scenario { at_us, .. } => Some(*at_us),
            Line::Client(client) => Some(client.at_us),
            Line::Connection(connection) => Some(connection.at_us),
            _ => None,
        });
        let from_us = starts.min().unwrap_or(0);
        let named = |name| Server { name, ..Server::default() };
        let servers: Vec<Server> = header.servers.into_iter().map(named).collect();
        let connections = servers.iter().map(|_| BTreeMap::new()).collect();
        let trace = Trace {
            file_bytes: header.file_bytes,
            scenario: String::new(),
            servers,
            end_us: end_us.saturating_sub(from_us),
        };
        Self { trace, from_us, connections }
    }

    /// Returns a connection. Creates the connection if this line is the first line about it.
    fn connection(
        &mut self,
        server: usize,
        number: u32,
        at_us: u64,
    ) -> Option<&mut (Known, Connection)> {
        let connections = self.connections.get_mut(server)?;
        let end_us = self.trace.end_us;
        Some(connections.entry(number).or_insert_with(|| {
            let connection =
                Connection { number, from_us: at_us, to_us: end_us, ..Connection::default() };
            (Known::default(), connection)
        }))
    }

    fn add(&mut self, line: Line) {
        let from_us = self.from_us;
        let since = |at_us: u64| at_us.saturating_sub(from_us);
        match line {
            Line::Scenario { name, .. } => self.trace.scenario = name,
            Line::Client(client) => {
                let at_us = since(client.at_us);
                if let Some((_, it)) = self.connection(client.server, client.connection, at_us) {
                    it.settings.get_or_insert(client.settings);
                }
            }
            Line::Connection(values) => self.add_values(&values, since(values.at_us)),
            Line::Thread(thread) => self.add_thread(thread),
            Line::Usage(usage) => {
                let Some(server) = self.trace.servers.get_mut(usage.server) else { return };
                server.threads_max = server.threads_max.max(usage.threads.unwrap_or(0));
                server.memory_bytes_max =
                    server.memory_bytes_max.max(usage.memory_bytes.unwrap_or(0));
            }
            Line::Event(event) => {
                let at_us = since(event.at_us);
                let Some(number) = event.connection else { return };
                if let Some((_, it)) = self.connection(event.server, number, at_us) {
                    it.events.push((at_us, event.event));
                }
            }
            Line::Server(_) | Line::Note { .. } | Line::End { .. } => {}
        }
    }

    fn add_values(&mut self, values: &trace::Connection, at_us: u64) {
        let connection = self.connection(values.server, values.connection, at_us);
        let Some((known, connection)) = connection else { return };
        let update = |known: &mut u64, value: Option<u64>| *known = value.unwrap_or(*known);
        update(&mut known.read, values.read);
        update(&mut known.received, values.received);
        update(&mut known.written, values.written);
        update(&mut known.in_process, values.in_process);
        if let Some(state) = values.state {
            connection.states.push((at_us, state));
            if matches!(state, State::Closed | State::Reset) {
                connection.to_us = at_us;
            }
        }
        // The kernel and the client are asked one after another, so a client may have read bytes
        // that the kernel had not received when it was asked.
        let received = known.received.max(known.read);
        let written = known.written.max(received);
        let loaded = written + known.in_process;
        connection.samples.push(Sample { at_us, read: known.read, received, written, loaded });
    }

    fn add_thread(&mut self, line: trace::Thread) {
        let at_us = line.at_us.saturating_sub(self.from_us);
        let Some(server) = self.trace.servers.get_mut(line.server) else { return };
        let is_known = |thread: &Thread| thread.id == line.thread && !thread.has_ended();
        let at = server.threads.iter().position(is_known).unwrap_or_else(|| {
            let name = String::new();
            server.threads.push(Thread { id: line.thread, name, states: Vec::new() });
            server.threads.len() - 1
        });
        let thread = &mut server.threads[at];
        thread.name = line.name.unwrap_or(std::mem::take(&mut thread.name));
        thread.states.push((at_us, line.state, line.call.unwrap_or_default()));
    }

    fn finish(self) -> Option<Trace> {
        let Self { mut trace, connections, .. } = self;
        for (server, connections) in trace.servers.iter_mut().zip(connections) {
            server.connections = connections.into_values().map(|(_, it)| it).collect();
            for connection in &mut server.connections {
                let at_us = connection.from_us;
                if connection.samples.is_empty() {
                    connection.samples.push(Sample { at_us, ..Sample::default() });
                }
            }
            // A scenario may restart the servers before it starts.
            server
                .threads
                .retain(|it| !it.states.ends_with(&[(0, ThreadState::Ended, String::new())]));
            server.threads_max = server.threads_max.max(server.threads.len() as u64);
        }
        let has_connection = trace.servers.iter().any(|server| !server.connections.is_empty());
        has_connection.then_some(trace)
    }
}

impl Thread {
    /// Returns whether the thread has ended. The system may reuse the id of such a thread.
    pub fn has_ended(&self) -> bool {
        self.states.last().is_some_and(|(_, state, _)| *state == ThreadState::Ended)
    }

    /// Returns the start, the end and the name of each state, and the system call. The last state
    /// ends at `end_us`.
    pub fn spans(&self, end_us: u64) -> Vec<(u64, u64, ThreadState, &str)> {
        let mut spans = Vec::<(u64, u64, ThreadState, &str)>::new();
        let ends = self.states.iter().skip(1).map(|(at_us, ..)| *at_us).chain([end_us]);
        for ((from_us, state, call), to_us) in self.states.iter().zip(ends) {
            match spans.last_mut() {
                Some((_, end, last, same)) if last == state && same == call => *end = to_us,
                _ if *state == ThreadState::Ended => {}
                _ => spans.push((*from_us, to_us, *state, call)),
            }
        }
        spans
    }

    /// Returns the state at a time, or `None` if the thread does not exist at that time.
    pub fn state_at(&self, us: u64) -> Option<&(u64, ThreadState, String)> {
        let before = self.states.iter().take_while(|(at_us, ..)| *at_us <= us).last();
        before.filter(|(_, state, _)| *state != ThreadState::Ended)
    }
}

impl Sample {
    /// Returns the bytes in each place: read, in the receive buffer, in the send buffer, and in the
    /// process.
    pub fn parts(&self) -> [u64; 4] {
        let Self { read, received, written, loaded, .. } = self;
        [*read, received - read, written - received, loaded - written]
    }
}

impl Connection {
    /// Returns the start, the end and the name of each state.
    pub fn spans(&self) -> impl Iterator<Item = (u64, u64, State)> {
        let ends = self.states.iter().skip(1).map(|(at_us, _)| *at_us).chain([self.to_us]);
        self.states.iter().zip(ends).map(|((from_us, state), to_us)| (*from_us, to_us, *state))
    }

    /// Returns the sample at a time, or `None` before the first sample and after the end.
    pub fn sample_at(&self, us: u64) -> Option<Sample> {
        let before = self.samples.iter().take_while(|sample| sample.at_us <= us).last().copied();
        before.filter(|_| us <= self.to_us)
    }

    /// Returns the last sample.
    pub fn last(&self) -> Sample {
        self.samples.last().copied().unwrap_or_default()
    }
}
