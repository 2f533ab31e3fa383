//! The table of all scenarios.

use std::time::Duration;

use crate::servers::Setup;
use crate::trace::Settings;

/// A scenario, which the page offers as a button.
#[derive(Debug)]
pub struct Scenario {
    /// The name in URLs and command lines.
    pub name: &'static str,
    /// The text of the button.
    pub title: &'static str,
    /// A sentence that states what the reader can see.
    pub description: &'static str,
    /// The setup of the servers.
    pub setup: Setup,
    /// The steps, in the order of their times.
    pub steps: &'static [Step],
}

/// A step of a scenario.
#[derive(Debug)]
pub struct Step {
    /// The time since the scenario's start.
    pub at: Duration,
    /// The action of the step.
    pub action: Action,
}

/// An action of a step.
#[derive(Debug)]
pub enum Action {
    /// Starts clients.
    Start {
        /// The number of clients per server.
        count: usize,
        /// The settings of each client.
        settings: Settings,
    },
    /// Changes the read rate of all clients.
    ChangeSpeed(Option<u64>),
    /// Sends `SIGTERM` to the servers, and restarts them after they have ended.
    ShutDown,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// A client that reads as fast as it can.
const FAST: Settings = Settings {
    speed: None,
    receive_buffer: None,
    upload: 0,
    upload_first: false,
    half_close: false,
    reset_after: None,
    never_close: false,
};

/// A client that reads nothing, and for which the kernel accepts about 100 kB.
const NON_READING: Settings = Settings { receive_buffer: Some(4 * KIB), ..reading(0) };

/// With this argument, the servers keep non-reading clients.
const NEVER_STALLED: Setup = with(&["--stall-timeout", "1h"]);

/// All scenarios. The times and rates are chosen for files of 8 MiB, of which the kernel accepts 3
/// to 4 MB for a client that does not read.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "slow-reader",
        title: "Slow reader",
        description: "A slow client fills the buffers, so that the server waits, but a fast client \
                      is not delayed.",
        setup: with(&[]),
        steps: &[
            start(0, 1, reading(512 * KIB)),
            start(3_000, 1, reading(8 * MIB)),
            step(7_000, Action::ChangeSpeed(Some(0))),
            step(10_000, Action::ChangeSpeed(None)),
        ],
    },
    Scenario {
        name: "one-byte-chunks",
        title: "Chunks of 1 byte",
        description: "The servers read and write single bytes, so that each byte needs more CPU \
                      time.",
        setup: Setup { omits_chunks: true, ..with(&["--chunk-size", "1"]) },
        steps: &[start(0, 1, FAST)],
    },
    Scenario {
        name: "sequential",
        title: "Sequential server",
        description: "An additional server serves one client at a time, so that fast clients wait \
                      for a slow client.",
        setup: Setup { with_on_demand: true, ..with(&[]) },
        steps: &[start(0, 1, reading(MIB)), start(1_000, 2, FAST)],
    },
    Scenario {
        name: "upload-first",
        title: "Upload first",
        description: "A client uploads 20 MB before it reads, so that the servers must read while \
                      they send.",
        setup: with(&[]),
        steps: &[start(
            1_000,
            1,
            Settings { upload: 20_000_000, upload_first: true, ..reading(2 * MIB) },
        )],
    },
    Scenario {
        name: "half-close",
        title: "Half-close",
        description: "A client shuts down its write half immediately, and still gets the whole \
                      file.",
        setup: with(&[]),
        steps: &[start(1_000, 1, Settings { half_close: true, ..reading(2 * MIB) })],
    },
    Scenario {
        name: "reset",
        title: "Reset during the file",
        description: "Three clients reset their connections after 3 MiB, and a fourth client is \
                      not affected.",
        setup: with(&[]),
        steps: &[
            start(0, 1, reading(MIB)),
            start(1_000, 3, Settings { reset_after: Some(3 * MIB), ..reading(MIB) }),
        ],
    },
    Scenario {
        name: "stall",
        title: "Stalled client",
        description: "The servers reset a client that reads nothing for 5 s, but not a client that \
                      reads slowly.",
        setup: with(&["--stall-timeout", "5s"]),
        steps: &[
            start(0, 1, NON_READING),
            start(0, 1, Settings { receive_buffer: Some(4 * KIB), ..reading(16 * KIB) }),
        ],
    },
    Scenario {
        name: "connection-limit",
        title: "Connection limit",
        description: "At most 4 connections are open, and further clients wait in the accept \
                      queue.",
        setup: with(&["--max-connections", "4"]),
        steps: &[
            start(0, 2, reading(MIB)),
            start(1_000, 2, reading(2 * MIB)),
            start(2_000, 4, FAST),
        ],
    },
    Scenario {
        name: "shutdown",
        title: "Shutdown under load",
        description: "After SIGTERM, clients that read get the rest of the file, and the others \
                      are disconnected after 5 s.",
        setup: with(&["--grace", "5s"]),
        steps: &[
            start(0, 2, reading(2 * MIB)),
            start(0, 2, NON_READING),
            step(2_000, Action::ShutDown),
        ],
    },
    Scenario {
        name: "non-reading-200",
        title: "200 non-reading clients",
        description: "Each client occupies threads in std, but only a little memory in the other \
                      siblings.",
        setup: NEVER_STALLED,
        steps: &[start(0, 200, NON_READING)],
    },
    Scenario {
        name: "zero-copy",
        title: "200 non-reading clients, zero-copy",
        description: "In zero-copy mode, the threads in std keep no buffers, and wait in sendfile.",
        setup: with(&["--stall-timeout", "1h", "--zero-copy"]),
        steps: &[start(0, 200, NON_READING)],
    },
    Scenario {
        name: "non-reading-1000",
        title: "1,000 non-reading clients",
        description: "Five times as many clients need five times as many threads in std, and no \
                      more threads in the other siblings.",
        setup: NEVER_STALLED,
        steps: &[start(0, 1_000, NON_READING)],
    },
];

const fn with(arguments: &'static [&'static str]) -> Setup {
    Setup { arguments, with_on_demand: false, omits_chunks: false }
}

const fn reading(speed: u64) -> Settings {
    Settings { speed: Some(speed), ..FAST }
}

const fn start(at_ms: u64, count: usize, settings: Settings) -> Step {
    step(at_ms, Action::Start { count, settings })
}

const fn step(at_ms: u64, action: Action) -> Step {
    Step { at: Duration::from_millis(at_ms), action }
}
