//! The names and the bugs of the mutants.

use std::sync::OnceLock;

static ACTIVE: OnceLock<Option<Mutant>> = OnceLock::new();

/// Selects the bug of this program, or none.
pub fn activate(mutant: Option<Mutant>) {
    ACTIVE.get_or_init(|| mutant);
}

/// Returns the bug of this program, or `None` if the program is the correct server.
pub fn active() -> Option<Mutant> {
    ACTIVE.get().copied().flatten()
}

impl Mutant {
    /// Returns whether this program has this bug.
    pub fn is_active(self) -> bool {
        active() == Some(self)
    }
}

/// A server with one deliberate bug. `mutants --list` prints the documentation of the variants: the
/// server's behavior, and its effect. The variants are in the order of the contract's clauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mutant {
    // These mutants violate clause 1 (bind).
    /// Listens with a backlog of 5: in a burst, the kernel drops SYNs, and clients wait for 1 s
    SmallBacklog,
    // These mutants violate clause 2 (immediate reply).
    /// Writes nothing until the client sends something: a silent client gets no bytes
    WaitsForRequest,
    /// Waits a third of a second for a request: a silent client gets the whole file, but late
    WaitsBriefly,
    /// Reads the file once, at startup: clients never get the new content of a replaced file
    FileReadOnce,
    /// Ends the bare preamble with CRLF CRLF: the reply has two extra bytes
    WrongNewline,
    /// Omits Content-Length from the http header: a client cannot detect a truncated file
    HttpWithoutLength,
    /// Sends a Content-Length that is one byte too large: a client waits for that byte
    WrongLength,
    // These mutants violate clause 3 (chunks).
    /// Reads the whole file for each connection: each slow client occupies that much memory
    WholeFileInMemory,
    /// Sends the whole file as one chunk and ignores `--chunk`: the log has one `chunk` event
    WholeFileAsOneChunk,
    /// Does not send the last chunk unless it is full: the end of the file is missing
    LosesLastPartialChunk,
    // These mutants violate clause 4 (length).
    /// Sends zeros if the file has shrunk: the length is correct, but the content is not
    PadsShrunkFile,
    /// Reads to the current end of the file: if the file has grown, the client gets too many bytes
    FollowsGrowth,
    // These mutants violate clause 5 (reading while sending).
    /// Does not read while it sends: a client that uploads before it reads waits forever
    NeverReads,
    /// Logs every read as a `data` event: a client that sends a lot of data fills the log
    FloodsLog,
    // These mutants violate clause 6 (half-close).
    /// Keeps reading after the client's FIN: each half-closed connection costs a full core
    SpinsAfterFin,
    /// Closes the connection at the client's FIN: a client that half-closes gets a partial file
    HalfCloseAsDisconnect,
    // These mutants violate clause 7 (lingering close).
    /// Closes right after the last byte: the RST for later data destroys data in transit
    CloseWithoutDrain,
    /// Writes, closes, and never reads: the RST for an unread request destroys the end of the file
    WriteAndClose,
    /// Never shuts down its write half: the client gets all bytes, but no end of file
    NoFin,
    /// Has no linger timeout: a connection that the client never closes stays open forever
    NoLingerTimeout,
    // These mutants violate clause 8 (errors end one connection).
    /// Exits when a client resets its connection: all other clients are disconnected
    ExitsOnReset,
    /// Keeps the file open when its client disconnects early: eventually no descriptor is left
    LeaksDescriptors,
    /// Waits forever for a non-reading client: the client occupies a socket, a file and two threads
    NoStallTimeout,
    /// Measures the stall timeout from the start of the connection: slow clients are disconnected
    ResetsSlowReaders,
    /// Exits when the file is missing: all later connections are refused
    ExitsOnMissingFile,
    /// Hangs when the file is missing: a client gets no byte and no end of file
    HangsOnMissingFile,
    // These mutants violate clause 9 (accepting connections).
    /// Serves one client at a time: the next client gets nothing until the previous one disconnects
    Sequential,
    /// Serves at most 64 clients, as a thread pool does: 64 non-reading clients block new clients
    PoolOfThreads,
    /// Sends with blocking calls on the only thread of an executor: one client blocks the others
    BlockingOnExecutor,
    /// Uses `accept()?`: the first error ends the accept loop, and new connections are refused
    AcceptErrorEndsLoop,
    /// Retries immediately when no descriptor is left: each attempt costs CPU time and logs an
    /// `error`
    BusyAccept,
    /// Releases a permit as soon as its client is accepted: there is no connection limit
    IgnoresLimit,
    /// Closes new connections at the connection limit: new clients get no bytes, only end of file
    DropsAtLimit,
    // These mutants violate clause 10 (shutdown).
    /// Ignores SIGTERM and SIGINT: only SIGKILL ends the server
    IgnoresSigterm,
    /// Ignores the second signal: a user who presses Ctrl-C twice waits for the grace period
    IgnoresSecondSignal,
    /// Keeps accepting during the grace period: a client that connects after SIGTERM is served
    AcceptsInGrace,
    /// Has no grace period: at SIGTERM every connected client loses the rest of the file
    DisconnectsAtShutdown,
    // These mutants violate clause 11 (events).
    /// Logs `disconnected` twice: the log reports the end of more connections than the server had
    DisconnectedTwice,
    /// Logs `file_ended` whenever it stops sending the file, even if the client disconnected early
    FileEndedTooEarly,
    /// Waits until its log is read: if nothing reads stdout, all clients are blocked
    WaitsForLog,
    /// Exits when stdout is closed, as if `println!` had panicked: all clients are disconnected
    ExitsOnClosedStdout,
    // These mutants violate clause 12 (nothing else is served).
    /// Serves the file that the request names: every file in the same directory is public
    RequestChoosesFile,
    /// Logs the client's bytes without escaping: a client can forge events
    UnescapedLog,
    /// Keeps everything that the client sends: an upload fills the memory
    StoresEverything,
}
