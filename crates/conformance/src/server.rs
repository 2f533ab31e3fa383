//! A server that a check has started.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::process::ExitStatus;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use harness::Signal;
use harness::port::{self, Listening};
use harness::usage::{
    context_switches, cpu_time, cpu_time_and_wait, descriptors, threads_not_in_state,
};
use serde_json::Value;

use crate::client::{self, Client};
use crate::process::{Process, poll};
use crate::target::Timeouts;
use crate::verdict::{Context, Outcome, Stop, demand};

/// A listening server. The stage that started the server also stops it.
#[derive(Debug)]
pub struct Server {
    pub addr: SocketAddr,
    /// The bytes that the server must send before the file.
    pub preamble: &'static [u8],
    pub silence_timeout: Duration,
    pub timeouts: Timeouts,
    pub process: Arc<Process>,
}

impl Server {
    /// Waits until a process listens on the port. The process may listen at a different address of
    /// this machine.
    pub fn wait_until_listening(mut self, timeout: Duration) -> Result<Self, Stop> {
        let port = self.addr.port();
        let listening = poll(timeout, || {
            if self.process.ended().is_some() {
                return Some(Err(Stop::fail("the server ended before it listened")));
            }
            match port::listening(port) {
                Listening::At(ip) => Some(Ok(ip)),
                Listening::Unknown if self.replies() => Some(Ok(self.addr.ip())),
                Listening::Unknown | Listening::No => None,
            }
        });
        let ip = listening.unwrap_or_else(|| {
            Err(Stop::fail(format!(
                "after {} s, no process listens on port {port} of this machine; the server must \
                 use the port that replaces {{port}}",
                timeout.as_secs()
            )))
        })?;
        self.addr.set_ip(ip);
        Ok(self)
    }

    /// Returns whether a client can connect. The client reads the whole reply, so that closing the
    /// connection does not disturb the server.
    fn replies(&self) -> bool {
        let Ok(client) = self.connect() else { return false };
        let _ = client.read_until_end(Duration::from_secs(2));
        true
    }

    /// Connects a client.
    pub fn connect(&self) -> Result<Client, Stop> {
        self.client(client::connect(self.addr))
    }

    /// Connects a client with a small receive buffer, so that the server soon has to wait for the
    /// client.
    pub fn connect_small(&self) -> Result<Client, Stop> {
        self.client(client::connect_with_small_buffer(self.addr))
    }

    /// Connects several clients with small receive buffers.
    pub fn connect_many(&self, count: usize) -> Result<Vec<Client>, Stop> {
        (0..count).map(|_| self.connect_small()).collect()
    }

    /// Connects several non-reading clients with small receive buffers and waits until each client
    /// has received its first byte.
    pub fn connect_non_reading(&self, count: usize) -> Result<Vec<Client>, Stop> {
        let clients = self.connect_many(count)?;
        for (index, client) in clients.iter().enumerate() {
            client.expect_first_byte().context(format_args!("client {} of {count}", index + 1))?;
        }
        Ok(clients)
    }

    fn client(&self, stream: io::Result<TcpStream>) -> Result<Client, Stop> {
        let client = |stream| Client::new(stream, self.preamble, self.silence_timeout);
        stream.and_then(client).or_else(|error| {
            self.expect_alive()?;
            Err(Stop::fail(format!("a client could not connect: {error}")))
        })
    }

    /// Connects a client that only reads. Expects that the client receives the whole reply.
    pub fn expect_whole(&self, content: &[u8]) -> Outcome {
        self.connect()?.expect_whole(content)
    }

    /// Connects a client that sends a request. Expects that the client receives the whole reply.
    pub fn expect_whole_after(&self, request: &str, content: &[u8]) -> Outcome {
        let client = self.connect()?;
        client.send(request.as_bytes())?;
        client.expect_whole(content)
    }

    /// Connects a client that only reads. Expects that the client receives the whole reply within 5
    /// s.
    pub fn expect_whole_in_time(&self, content: &[u8]) -> Outcome {
        const LIMIT: Duration = Duration::from_secs(5);
        let client = self.connect()?;
        let (got, ending) = client.read_until_end(LIMIT);
        client.expect_reply(&got, content, ending)
    }

    /// Expects that the process is still running.
    pub fn expect_alive(&self) -> Outcome {
        match self.process.ended() {
            None => Ok(()),
            Some(ended) => Err(Stop::fail(format!("the server's process ended: {ended}"))),
        }
    }

    /// Expects that the process ends within `limit`. Reads the rest of the output and returns the
    /// exit status.
    pub fn expect_end(&self, limit: Duration) -> Result<ExitStatus, Stop> {
        let status = self.process.wait(limit).ok_or_else(|| {
            let s = limit.as_secs();
            Stop::fail(format!("expected the process to end within {s} s, but it still runs"))
        })?;
        self.process.ended();
        Ok(status)
    }

    /// Suspends the server with SIGSTOP. On Linux, first waits until the server waits for an event,
    /// so that the signal interrupts this wait. Then waits until all threads have stopped, because a
    /// thread that waits stops only after the kernel has scheduled the thread.
    pub fn suspend(&self) {
        /// A server in a busy loop never waits.
        const LIMIT: Duration = Duration::from_secs(1);
        let wait_until_all = |state| {
            let others = || threads_not_in_state(&self.process.pids(), state);
            poll(LIMIT, || others().is_none_or(|count| count == 0).then_some(()));
        };
        wait_until_all('S');
        self.process.signal_all(Signal::Stop);
        wait_until_all('T');
    }

    /// Returns a value that the operating system provides about the server's processes. Skips the
    /// check if the system does not provide this value.
    pub fn usage<T>(&self, read: impl Fn(&[u32]) -> Option<T>) -> Result<T, Stop> {
        if let Some(value) = read(&self.process.pids()) {
            return Ok(value);
        }
        self.expect_alive()?;
        Err(Stop::skip("only Linux provides the necessary data about a process"))
    }

    /// Expects that the server uses almost no CPU time, and that its threads rarely wake up. On a
    /// busy computer, a server in a busy loop gets little CPU time, so the run-queue wait is added
    /// to the CPU time. A server that only wakes up briefly also waits for a core. Therefore, the
    /// sum may exceed the limit in some of the intervals, but not in all of them.
    pub fn expect_idle(&self, wakeups_max: u64) -> Outcome {
        const INTERVAL: Duration = Duration::from_millis(300);
        const INTERVALS: u32 = 8;
        // In the first intervals, the server may still send data to new clients.
        const BUSY_INTERVALS: u32 = 3;
        const MS_MAX: u128 = 100;
        let read = || {
            self.usage(|pids| {
                let [wakeups, _] = context_switches(pids)?;
                Some((cpu_time(pids)?, cpu_time_and_wait(pids)?, wakeups))
            })
        };
        let mut message = String::new();
        for interval in 1..=INTERVALS {
            let before = read()?;
            thread::sleep(INTERVAL);
            self.expect_alive()?;
            let after = read()?;
            let cpu_ms = after.0.saturating_sub(before.0).as_millis();
            let with_wait_ms = after.1.saturating_sub(before.1).as_millis();
            let wakeups = after.2.saturating_sub(before.2);
            if with_wait_ms < MS_MAX && wakeups < wakeups_max {
                return Ok(());
            }
            message = match with_wait_ms < MS_MAX {
                true => format!("expected less than {wakeups_max} wake-ups, got {wakeups}"),
                false => format!(
                    "expected less than {MS_MAX} ms of CPU time without work, got {with_wait_ms} ms"
                ),
            };
            if cpu_ms >= MS_MAX && interval >= BUSY_INTERVALS {
                break;
            }
        }
        Err(Stop::fail(format!("{message} in {} s", INTERVAL.as_secs_f32())))
    }

    /// Waits until the server has at most `before` open file descriptors, but at most 300 ms, because
    /// a runtime may keep descriptors that it opened for its first client. Returns the number of
    /// open file descriptors.
    pub fn settled_descriptors(&self, before: u64) -> Result<u64, Stop> {
        const LIMIT: Duration = Duration::from_millis(300);
        let open = || self.usage(descriptors);
        poll(LIMIT, || open().is_ok_and(|open| open <= before).then_some(()));
        open()
    }

    /// Expects that the server soon has at most `max` open file descriptors. The server may drain
    /// its connections until the linger timeout expires.
    pub fn expect_descriptors(&self, max: u64, timeout: Duration, after: &str) -> Outcome {
        self.expect_alive()?;
        let open = || self.usage(descriptors);
        poll(timeout, || open().is_ok_and(|open| open <= max).then_some(()));
        let actual = open()?;
        demand!(
            actual <= max,
            "expected at most {max} open file descriptors after {after}, got {actual}"
        );
        Ok(())
    }

    /// Returns the events that the server has printed so far, or `None` if the first line is not an
    /// event. A later line that is not JSON becomes a null value.
    pub fn events(&self) -> Option<Vec<Value>> {
        let lines = self.process.lines();
        let parse = |line: &String| serde_json::from_str(line).unwrap_or_default();
        let events: Vec<Value> = lines.iter().map(parse).collect();
        events.first().is_some_and(|event| event["event"].is_string()).then_some(events)
    }

    /// Waits until the events meet a condition. Returns `false` if the timeout expires before the
    /// condition is met.
    pub fn wait_for_events(&self, timeout: Duration, is_met: impl Fn(&[Value]) -> bool) -> bool {
        poll(timeout, || self.events().filter(|events| is_met(events))).is_some()
    }
}
