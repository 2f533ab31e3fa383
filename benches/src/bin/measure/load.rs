//! Implements `measure load`, which sends load to a server and verifies the replies.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use benches::load::{Amount, Expected, Hold, Job, Plan, PreambleKind, Report, descriptors};
use clap::{ArgGroup, value_parser};
use harness::text::{bytes, duration, positive_bytes, unescape};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::print;

const EXAMPLES: &str = "\
Examples:
  just load localhost:4000 --expect assets/river.webp
      Let one client receive the picture, and verify every byte.
  just load localhost:4000 --total 10000 --connections 16 --expect big.bin
      Let 16 clients at a time connect as fast as the server serves them.
  just load localhost:4000 --rate 500 --duration 10s
      Start 500 connections per second, even if the server cannot keep up.
      Times are measured from the planned start of a connection, so they include
      the wait for the server.
  just load localhost:4000 --connections 5000 --hold 10s --max-segment 536
      Let 5000 clients read nothing for 10 s, and then read the whole reply.
  just load localhost:4000 --connections 100 --slow 20KiB
      Let each of 100 clients read 20 KiB per second.
  just load localhost:4000 --total 1000 --connections 50 --reset-after 64KiB
      Let each client reset its connection in the middle of the reply.
  just load localhost:4000 --discard --expect big.bin
      Do not copy the data to the client, so that the server is the bottleneck.

SIZE is a number of bytes, or has a unit: 536, 64KiB, 1GiB.
TIME is a number of seconds, or has a unit: 5, 500ms, 2m.

Exit codes: 0 if all replies were correct, 1 if a connection failed or a reply
was incorrect, 2 if the load could not run.";

/// The interval between two updates of the progress bar.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Send load to a server and verify its replies
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
#[command(group = ArgGroup::new("end").args(["connections", "total", "duration"]).multiple(true))]
pub struct Args {
    /// Address of the server
    #[arg(value_name = "HOST:PORT", value_parser = resolve)]
    server: SocketAddr,

    /// Maximum number of open connections [default: 1]
    ///
    /// With --rate, the default is the file descriptor limit, so that no connection has to wait
    /// until another one ends.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    #[arg(help_heading = "Amount")]
    connections: Option<u64>,

    /// Total number of connections [default: --connections]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    #[arg(conflicts_with_all = ["duration", "hold"], help_heading = "Amount")]
    total: Option<u64>,

    /// Time during which clients start new connections
    ///
    /// After this time, clients complete the open connections.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    #[arg(conflicts_with = "hold", help_heading = "Amount")]
    duration: Option<Duration>,

    /// Number of connections to start per second
    ///
    /// The rate does not depend on the speed of the server. The time to the first byte and the time
    /// to the end are measured from the planned start of a connection, so that they include delays
    /// that the server causes.
    #[arg(long, value_name = "N", requires = "end", allow_negative_numbers = true)]
    #[arg(help_heading = "Amount")]
    rate: Option<f64>,

    /// Number of threads
    ///
    /// Each thread runs one event loop for its share of the connections.
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Amount")]
    #[arg(value_parser = value_parser!(u16).range(1..=256))]
    threads: u16,

    /// Time for which all clients wait before they read
    ///
    /// The time starts when the last client has received the first byte of its reply. After this
    /// time, all clients read the whole reply.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    #[arg(help_heading = "Client")]
    hold: Option<Duration>,

    /// Maximum read rate of each client in bytes per second
    #[arg(long, value_name = "SIZE", value_parser = positive_bytes, help_heading = "Client")]
    slow: Option<u64>,

    /// Reset each connection after this many bytes
    ///
    /// With 0, each client resets its connection immediately after connecting.
    #[arg(long, value_name = "SIZE", value_parser = bytes, help_heading = "Client")]
    reset_after: Option<u64>,

    /// Maximum time to wait for data
    ///
    /// A connection fails if the client receives no data within this time.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    #[arg(default_value = "30s", help_heading = "Client")]
    timeout: Duration,

    /// Local address of the clients
    ///
    /// Linux stores metrics of the connections between two addresses. These metrics affect how much
    /// data Linux accepts on later connections between the addresses. For measurements with
    /// non-reading clients, use an unused address, such as 127.0.0.77.
    #[arg(long, value_name = "IP", help_heading = "Socket")]
    source: Option<IpAddr>,

    /// Size of the receive buffer (SO_RCVBUF)
    ///
    /// With --hold, each client enlarges its receive buffer when it starts to read.
    #[arg(long, value_name = "SIZE", value_parser = positive_bytes, help_heading = "Socket")]
    receive_buffer: Option<u64>,

    /// Maximum size of a TCP segment in bytes
    ///
    /// On loopback, a segment contains up to 64 KiB by default, so that the kernel accepts
    /// megabytes for a client that reads nothing. Every network supports segments of 536 bytes.
    #[arg(long, value_name = "SIZE", value_parser = value_parser!(u32).range(88..=32_767))]
    #[arg(help_heading = "Socket")]
    max_segment: Option<u32>,

    /// Discard the data in the kernel (Linux only)
    ///
    /// With the flag MSG_TRUNC, the kernel does not copy the data to the client. The
    /// client verifies the length of each reply, but not its content.
    #[arg(long, help_heading = "Socket")]
    discard: bool,

    /// Request to send [default: GET / HTTP/1.0]
    ///
    /// TEXT can contain the escapes \r, \n, \t, \\ and \xNN. If TEXT is empty, the
    /// client sends nothing. The default request ends with an empty line.
    #[arg(long, value_name = "TEXT", value_parser = unescape)]
    #[arg(default_value = r"GET / HTTP/1.0\r\n\r\n", hide_default_value = true)]
    #[arg(help_heading = "Reply")]
    request: Request,

    /// File that each reply must contain
    ///
    /// The client verifies the length and the hash of each reply, without the preamble.
    #[arg(long, value_name = "FILE", help_heading = "Reply")]
    expect: Option<PathBuf>,

    /// Preamble: auto, bare, http or none
    #[arg(long, value_name = "KIND", value_enum, default_value_t, help_heading = "Reply")]
    #[arg(hide_possible_values = true, long_help = PREAMBLES)]
    preamble: PreambleKind,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

const PREAMBLES: &str = "\
Expected preamble of each reply:
- auto: bare or http
- bare: `HTTP/1.1` and two line feeds
- http: an HTTP header with status 200
- none: no preamble; the reply starts with the file";

type Request = Vec<u8>;

fn resolve(text: &str) -> Result<SocketAddr, String> {
    let help = "pass a host and a port, such as localhost:4000";
    let addresses = text.to_socket_addrs().map_err(|error| format!("{error}; {help}"))?;
    // Prefer IPv4, because the kit's servers listen on IPv4 by default.
    let first = addresses.min_by_key(|address| !address.is_ipv4());
    first.ok_or_else(|| format!("the host has no address; {help}"))
}

pub fn run(args: Args) -> anyhow::Result<bool> {
    let is_json = args.json;
    let plan = args.into_plan()?;
    let bar = progress_bar(&plan);
    let report = run_with_progress(&Job::new(plan)?, &bar)?;
    let text = match is_json {
        true => serde_json::to_string_pretty(&report)? + "\n",
        false => report.to_string(),
    };
    print(text);
    Ok(report.failed_count() == 0)
}

impl Args {
    fn into_plan(self) -> anyhow::Result<Plan> {
        let connections = match (self.connections, self.rate, self.hold) {
            (Some(connections), _, _) => connections,
            (None, Some(_), None) => descriptors(),
            (None, _, _) => 1,
        };
        let amount = match self.duration {
            Some(duration) => Amount::During(duration),
            None => Amount::Total(self.total.unwrap_or(connections)),
        };
        let expected = self.expect.map(|path| {
            Expected::of_file(&path).with_context(|| format!("cannot open `{}`", path.display()))
        });
        Ok(Plan {
            addr: self.server,
            connections,
            amount,
            rate_per_s: self.rate,
            hold: self.hold.map(Hold::For),
            slow_bytes_per_s: self.slow,
            reset_after_bytes: self.reset_after,
            is_half_closing: false,
            flood_bytes_per_s: None,
            source: self.source,
            receive_buffer_bytes: self.receive_buffer.map(|bytes| bytes as usize),
            max_segment_bytes: self.max_segment,
            request: self.request,
            expected: expected.transpose()?,
            content: None,
            preamble: self.preamble,
            is_discarding: self.discard,
            timeout: self.timeout,
            threads: self.threads.into(),
        })
    }
}

/// Creates a progress bar, which is visible only if stderr is a terminal.
fn progress_bar(plan: &Plan) -> ProgressBar {
    let (bar, template) = match plan.amount {
        Amount::Total(total) => (ProgressBar::new(total), "{bar:30} {pos}/{len} {elapsed} {msg}"),
        Amount::During(_) => (ProgressBar::new_spinner(), "{spinner} {pos} {elapsed} {msg}"),
    };
    bar.with_style(ProgressStyle::with_template(template).expect("the template is valid"))
}

fn run_with_progress(job: &Job, bar: &ProgressBar) -> io::Result<Report> {
    thread::scope(|scope| {
        // No message is sent through this channel. Dropping the sender ends the progress thread.
        let (sender, receiver) = mpsc::channel::<()>();
        scope.spawn(move || {
            while receiver.recv_timeout(PROGRESS_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                let (ended, bytes) = job.progress();
                bar.set_position(ended);
                let waiting = match job.non_reading_clients() {
                    0 => String::new(),
                    count => format!(", {count} non-reading clients"),
                };
                bar.set_message(format!("{:.2} GB{waiting}", bytes as f64 / 1e9));
            }
            bar.finish_and_clear();
        });
        let report = job.run();
        drop(sender);
        report
    })
}
