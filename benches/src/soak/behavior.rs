//! The ways in which the clients of the soak behave.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::port;

use crate::load::{self, Amount, Hold, Kind, Plan, Report};

/// The duration of a round in which clients start at a fixed rate.
const ROUND: Duration = Duration::from_secs(10);

/// The time for which a non-reading client waits before it reads. The time is shorter than the
/// stall timeout of the servers, which is 10 s.
const SHORT_HOLD: Duration = Duration::from_secs(3);

/// The time for which a stalled client waits before it reads what arrived before the reset. The
/// time is three times the stall timeout, for two reasons. The client's kernel may acknowledge a few
/// more bytes in the first seconds. A blocking `sendfile` of the std sibling may return only after
/// several checks are due.
const LONG_HOLD: Duration = Duration::from_secs(30);

/// The settings of clients whose kernel accepts little data, so that the server has to wait. The
/// footprint uses the same values.
const SEGMENT_BYTES: u32 = 536;
const RECEIVE_BUFFER_BYTES: usize = 16 * 1024;

/// The numbers of bytes after which clients reset their connections, in turn: immediately, within
/// the preamble, after the preamble, and in the middle of the file.
const RESET_AFTER_BYTES: [u64; 5] = [0, 3, 10, 100_000, 700_000];

/// The amount of data that an uploading client sends, in bytes.
const UPLOAD_BYTES: usize = 4 * 1024 * 1024;

/// The rates of single clients, in bytes per second.
const SLOW_BYTES_PER_S: u64 = 200_000;
const FLOOD_BYTES_PER_S: u64 = 4_000_000;

/// A way in which clients behave.
#[derive(Clone, Copy, Debug)]
pub struct Behavior {
    /// The name in ids and tables.
    pub name: &'static str,
    /// The maximum number of concurrent clients per server.
    pub clients: u64,
    /// The number of connections that start per second. With `None`, all clients start at the
    /// beginning of a round.
    rate_per_s: Option<f64>,
    /// Changes a plan for a client that receives the whole reply. The number is the index of the
    /// round.
    change: fn(&mut Plan, usize),
    /// Indicates whether the server must reset each connection before the end of the reply.
    is_reset_expected: bool,
}

impl Behavior {
    const FAST: Self = Self {
        name: "fast",
        clients: 4,
        rate_per_s: Some(4.0),
        change: |_, _| {},
        is_reset_expected: false,
    };
}

/// All behaviors. The numbers and rates are small, so that all servers and all clients together need
/// less than one core in a release build.
pub const BEHAVIORS: [Behavior; 8] = [
    Behavior::FAST,
    Behavior {
        name: "slow",
        rate_per_s: None,
        change: |plan, _| {
            limit_buffers(plan);
            plan.slow_bytes_per_s = Some(SLOW_BYTES_PER_S);
        },
        ..Behavior::FAST
    },
    Behavior {
        name: "non-reading",
        rate_per_s: None,
        change: |plan, _| {
            limit_buffers(plan);
            plan.hold = Some(Hold::For(SHORT_HOLD));
        },
        ..Behavior::FAST
    },
    Behavior {
        name: "stalled",
        rate_per_s: None,
        change: |plan, _| {
            limit_buffers(plan);
            plan.hold = Some(Hold::For(LONG_HOLD));
        },
        is_reset_expected: true,
        ..Behavior::FAST
    },
    Behavior {
        name: "resetting",
        rate_per_s: Some(8.0),
        change: |plan, round| {
            plan.reset_after_bytes = Some(RESET_AFTER_BYTES[round % RESET_AFTER_BYTES.len()]);
        },
        ..Behavior::FAST
    },
    Behavior {
        name: "half-closing",
        change: |plan, _| plan.is_half_closing = true,
        ..Behavior::FAST
    },
    Behavior {
        name: "uploading",
        clients: 2,
        rate_per_s: None,
        change: |plan, _| {
            limit_buffers(plan);
            plan.slow_bytes_per_s = Some(SLOW_BYTES_PER_S);
            plan.request = harness::fixture::noise(UPLOAD_BYTES).to_vec();
        },
        ..Behavior::FAST
    },
    Behavior {
        name: "flooding",
        clients: 2,
        rate_per_s: None,
        change: |plan, _| plan.flood_bytes_per_s = Some(FLOOD_BYTES_PER_S),
        ..Behavior::FAST
    },
];

/// Makes the kernel accept little data for a client, as on a network.
fn limit_buffers(plan: &mut Plan) {
    plan.max_segment_bytes = Some(SEGMENT_BYTES);
    plan.receive_buffer_bytes = Some(RECEIVE_BUFFER_BYTES);
    plan.source = Some(port::unused_loopback());
}

/// The results of all clients of one server that behave in the same way.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The number of connections that ended as expected.
    pub expected: u64,
    /// The number of all other connections.
    pub unexpected: u64,
    /// The number of received bytes, including preambles.
    pub bytes: u64,
    /// The CPU time of the clients in seconds.
    pub cpu_s: f64,
    /// The description of the first failure.
    pub example: Option<String>,
    /// Indicates whether a connection was refused, so that further connections are useless.
    pub is_refused: bool,
}

impl Behavior {
    /// Lets clients connect until `deadline`, in rounds. Returns when the last client has
    /// disconnected. `plan` is the plan for one client, and `content` is the content of the file.
    ///
    /// # Errors
    ///
    /// Fails if this machine cannot execute the plan.
    pub fn run(&self, plan: &Plan, content: &Arc<[u8]>, deadline: Instant) -> io::Result<Outcome> {
        let mut outcome = Outcome::default();
        for round in 0.. {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || outcome.is_refused {
                break;
            }
            let plan = self.plan(plan.clone(), content, round, left);
            outcome.add(load::run(plan)?, self.is_reset_expected);
        }
        Ok(outcome)
    }

    fn plan(&self, plan: Plan, content: &Arc<[u8]>, round: usize, left: Duration) -> Plan {
        let mut plan = plan.with_connections(self.clients, self.clients);
        if self.rate_per_s.is_some() {
            plan.rate_per_s = self.rate_per_s;
            plan.amount = Amount::During(left.min(ROUND));
        }
        plan.content = Some(Arc::clone(content));
        (self.change)(&mut plan, round);
        plan
    }
}

impl Outcome {
    /// Adds the results of a round.
    pub fn add(&mut self, report: Report, is_reset_expected: bool) {
        let resets = report.failed.get(&Kind::Reset).copied().unwrap_or(0);
        let total = report.completed + report.failed_count();
        let expected = if is_reset_expected { resets } else { report.completed };
        if expected < total {
            let default = || "the server did not reset the connection".to_owned();
            let example = report.failed_examples.first().cloned().unwrap_or_else(default);
            self.example.get_or_insert(example);
        }
        self.expected += expected;
        self.unexpected += total - expected;
        self.bytes += report.bytes;
        self.cpu_s += report.cpu_s.unwrap_or_default();
        self.is_refused |= report.failed.contains_key(&Kind::Refused);
    }
}
