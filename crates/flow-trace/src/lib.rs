//! The format of a trace: JSON lines. The first line is a [`Header`], and every other line is a
//! [`Line`].
//!
//! Times are in microseconds since the start of the trace. To keep a trace small, a line contains
//! an optional field only if its value has changed since the previous line about the same object.
//! The last line of a complete trace is [`Line::End`].
//!
//! The program that reads a trace must support the version of the trace. [`VERSION`] increases when
//! a field changes its meaning, or is removed. A reader ignores unknown fields and unknown types of
//! lines.

#![allow(missing_docs, reason = "the names of most fields and variants describe them")]

use serde::{Deserialize, Serialize};

/// The version of the format that this program writes and reads.
pub const VERSION: u32 = 1;

/// The first line of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the format: [`VERSION`].
    pub flow_trace: u32,
    /// The system on which the trace was recorded, such as `linux`. Only Linux provides the lines
    /// of the types `thread` and `usage`, and the kernel's values in `connection`.
    pub system: String,
    /// The length of the served file in bytes.
    pub file_bytes: u64,
    /// The names of the servers, such as `tokio`. Lines refer to a server by its index.
    pub servers: Vec<String>,
}

/// A line of a trace, except the first one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    /// A server has started or ended.
    Server(Server),
    /// A scenario has started.
    Scenario { at_us: u64, name: String },
    /// A client's settings. The line occurs when the client connects, and after each change.
    Client(Client),
    /// The values of a connection that have changed.
    Connection(Connection),
    /// The state of a thread has changed.
    Thread(Thread),
    /// The resource usage of a server. Each sample has such a line.
    Usage(Usage),
    /// An event that the server logged, other than `chunk`. Chunks are counted in
    /// [`Connection::chunks`].
    Event(Event),
    /// A message for the user of the page, such as a failed measurement.
    Note { at_us: u64, message: String },
    /// The end of a complete trace.
    End { at_us: u64 },
}

/// A server has started, or, if `ended` is present, it has ended. A line with neither `command` nor
/// `ended` contains the length of the preamble, which a client has found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Server {
    pub at_us: u64,
    /// The index of the server in [`Header::servers`].
    pub server: usize,
    /// The command line, without the program's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The number of bytes before the file in each reply. It is missing if it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preamble_bytes: Option<u64>,
    /// The reason why the server ended, such as `exit code 0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
}

/// The settings of a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Client {
    pub at_us: u64,
    pub server: usize,
    /// The number of the client's connection.
    pub connection: u32,
    #[serde(flatten)]
    pub settings: Settings,
}

/// The behavior of a client.
///
/// All values have defaults, so that a request can contain only some fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The maximum read rate in bytes per second. 0 means that the client does not read. If the
    /// field is missing, the client reads as fast as it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<u64>,
    /// The size of the receive buffer in bytes. The kernel doubles it. If the field is missing, the
    /// kernel chooses the size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receive_buffer: Option<u64>,
    /// The number of bytes that the client sends while it reads.
    #[serde(skip_serializing_if = "is_default")]
    pub upload: u64,
    /// Indicates whether the client uploads everything before it starts to read.
    #[serde(skip_serializing_if = "is_default")]
    pub upload_first: bool,
    /// Indicates whether the client shuts down its write half after the upload.
    #[serde(skip_serializing_if = "is_default")]
    pub half_close: bool,
    /// The number of bytes after which the client resets the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset_after: Option<u64>,
    /// Indicates whether the client keeps its socket open after the end of the reply.
    #[serde(skip_serializing_if = "is_default")]
    pub never_close: bool,
}

/// The values of a connection. Every number of bytes is cumulative since the connection's start,
/// except `send_queue` and `receive_queue`. Therefore, the bytes in the send buffer are `written -
/// received`, and the bytes in the receive buffer are `received - read`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    pub at_us: u64,
    pub server: usize,
    /// The number of the connection, counted from 1 across all servers.
    pub connection: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// The bytes that the server wrote to its socket: the bytes that the socket sent and the bytes
    /// that wait to be sent (`tcpi_bytes_sent - tcpi_bytes_retrans + tcpi_notsent_bytes`). The kernel
    /// reads these values at the same moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<u64>,
    /// The bytes that the client's kernel received in order (`tcpi_bytes_received`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<u64>,
    /// The bytes that the client read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<u64>,
    /// The kernel's value for the server's socket: the bytes that are not acknowledged (`Send-Q` of
    /// `ss`). A FIN counts as one byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_queue: Option<u64>,
    /// The kernel's value for the client's socket: the bytes that the client has not read (`Recv-Q`
    /// of `ss`). A FIN counts as one byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_queue: Option<u64>,
    /// The bytes that the server's process has read from the file but not written. The value is
    /// known only for a process that reads with a file offset and has one open connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_process: Option<u64>,
    /// The bytes that the client sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uploaded: Option<u64>,
    /// The number of chunks that the server's log reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks: Option<u64>,
}

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The connection waits in the accept queue, or the server has not written anything.
    Connected,
    /// The server wrote bytes since the previous sample, or its send buffer is empty.
    Writing,
    /// The reply is not complete, and the server has not written anything since the previous
    /// sample, because it waits for send-buffer space.
    Waiting,
    /// The server has written the whole reply, or it has sent its FIN.
    Draining,
    /// Both ends closed the connection.
    Closed,
    /// One end reset the connection.
    Reset,
}

/// The state of a thread has changed. A thread that has ended has the state `Ended`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thread {
    pub at_us: u64,
    pub server: usize,
    /// The thread's id in the system.
    pub thread: u32,
    /// The thread's name. It is present in the first line of each thread, and after a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub state: ThreadState,
    /// The system call in which the thread is blocked, such as `epoll_wait`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThreadState {
    /// The thread used CPU time during most of the sample's interval, or it is running now.
    Running,
    /// The thread waits for a core.
    Runnable,
    /// The thread waits in a system call.
    Blocked,
    /// The thread has ended.
    Ended,
}

/// The resource usage of all processes of a server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    pub at_us: u64,
    pub server: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u64>,
    /// The resident anonymous memory in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptors: Option<u64>,
    /// The CPU time since the server's start in microseconds. This field is present even if the value
    /// did not change, so that the difference between two lines is the CPU use during one sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_us: Option<u64>,
}

/// An event in a server's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub at_us: u64,
    pub server: usize,
    /// The number of the connection. It is missing if the event does not belong to a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<u32>,
    /// The event's name in the server's log, such as `file_ended`.
    pub event: String,
    /// The event's other fields, as readable text: `reset by the client`, `156916 bytes`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub details: String,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
