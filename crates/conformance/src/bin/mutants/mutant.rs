//! The names and the bugs of the mutants.

use std::sync::OnceLock;

static ACTIVE: OnceLock<Option<Mutant>> = OnceLock::new();

/// Selects the bug of this program. `None` selects the correct server.
pub fn activate(mutant: Option<Mutant>) {
    ACTIVE.get_or_init(|| mutant);
}

/// Returns the bug of this program, or `None` if the program is the correct server.
pub fn active() -> Option<Mutant> {
    ACTIVE.get().copied().flatten()
}

impl Mutant {
    /// Returns whether this program has the bug.
    pub fn is_active(self) -> bool {
        active() == Some(self)
    }
}

/// A server with one deliberate bug. `mutants --list` prints the documentation of each variant,
/// which states the server's behavior and the effect of this behavior. The variants are in the
/// order of the contract's clauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mutant {
    // These mutants violate clause 1 (bind).
    /// Listens with a backlog of 5, so the kernel drops SYNs in a burst, and clients wait for 1 s
    SmallBacklog,
    // These mutants violate clause 2 (immediate reply).
    /// Writes nothing until the client sends data, so a silent client gets no bytes
    WaitsForRequest,
    /// Waits up to a third of a second for a request, so a silent client gets the whole file late
    WaitsBriefly,
    /// Reads the file only at startup, so clients never get the new content of a replaced file
    FileReadOnce,
    /// Keeps the content in memory until the length of the file changes, so clients get old content
    CachesByLength,
    /// Sends at most the length that the file had at first, so a longer file is truncated
    KeepsFirstLength,
    /// Ends the bare preamble with CRLF CRLF, so the reply has two extra bytes
    WrongNewline,
    /// Omits Content-Length from the http header, so a client cannot detect a truncated file
    HttpWithoutLength,
    /// Sends a Content-Length that is one byte too large, so a client waits for another byte
    WrongLength,
    /// Sends Content-Length twice, so a client rejects the response
    HttpTwoLengths,
    /// Announces the chunked transfer encoding, so a client searches the file for chunk headers
    HttpChunked,
    // These mutants violate clause 3 (chunks).
    /// Reads the whole file for each connection, so each slow client occupies that much memory
    WholeFileInMemory,
    /// Sends the whole file as one chunk and ignores `--chunk`, so the log has one `chunk` event
    WholeFileAsOneChunk,
    /// Rounds the chunk size up to a multiple of 4096, so a chunk is larger than the chunk size
    RoundsChunkUp,
    /// Does not send the last chunk unless it is full, so the end of the file is missing
    LosesLastPartialChunk,
    // These mutants violate clause 4 (length).
    /// Sends zeros if the file has shrunk, so the length is correct, but the content is not
    PadsShrunkFile,
    /// Reads to the current end of the file, so a client gets too many bytes if the file grows
    FollowsGrowth,
    // These mutants violate clause 5 (reading while sending).
    /// Does not read while it sends, so a client that uploads before it reads waits forever
    NeverReads,
    /// Logs every read as a `data` event, so a client that sends a lot of data fills the log
    FloodsLog,
    // These mutants violate clause 6 (half-close).
    /// Keeps reading after the client's FIN, so each half-closed connection occupies a core
    SpinsAfterFin,
    /// Closes the connection at the client's FIN, so a client that half-closes gets a partial file
    HalfCloseAsDisconnect,
    /// Closes the connection at the client's FIN if the client has sent data, so a client that
    /// sends a request and half-closes gets a partial file
    HalfCloseAfterDataAsDisconnect,
    /// Closes the connection at a FIN that arrives later than 0.8 s after the start, so the client
    /// gets a partial file
    LateHalfCloseAsDisconnect,
    // These mutants violate clause 7 (lingering close).
    /// Closes the socket right after the last byte, so the RST for later data destroys data in
    /// transit
    CloseWithoutDrain,
    /// Never reads from the client and closes the socket, so the RST for an unread request destroys
    /// data in transit
    WriteAndClose,
    /// Never shuts down its write half, so the client gets all bytes, but no end of file
    NoFin,
    /// Has no linger timeout, so a connection that the client never closes stays open forever
    NoLingerTimeout,
    /// Starts the linger timeout at the end of the file, so a client that reads late loses data
    LingersFromFileEnd,
    /// Leaves a file open when the linger timeout expires, so eventually no descriptor is left
    LeaksAtLingerTimeout,
    /// Always uses timeouts of 3 s, so clients are disconnected too early or too late
    FixedTimeouts,
    // These mutants violate clause 8 (errors end one connection).
    /// Exits when a client resets its connection, so all other clients are disconnected
    ExitsOnReset,
    /// Keeps the file open when a client disconnects early, so eventually no descriptor is left
    LeaksDescriptors,
    /// Keeps the file open if the client half-closes, so eventually no descriptor is left
    LeaksAfterHalfClose,
    /// Keeps the socket open if the file is missing, so eventually no descriptor is left
    LeaksIfFileIsMissing,
    /// Waits forever for a non-reading client, which occupies a socket, a file and two threads
    NoStallTimeout,
    /// Measures the stall timeout from the start of the connection, so slow clients are
    /// disconnected
    ResetsSlowReaders,
    /// Exits when the file is missing, so all later connections are refused
    ExitsOnMissingFile,
    /// Sends a body after the header of a 404 response, so the Content-Length is incorrect
    Http404WithBody,
    /// Hangs when the file is missing, so a client gets neither bytes nor end of file
    HangsOnMissingFile,
    // These mutants violate clause 9 (accepting connections).
    /// Serves one client at a time, so the next client waits until the previous client disconnects
    Sequential,
    /// Serves at most 64 clients, as a thread pool does, so 64 non-reading clients block new
    /// clients
    PoolOfThreads,
    /// Sends with blocking calls on the only thread of an executor, so one client blocks all others
    BlockingOnExecutor,
    /// Uses `accept()?`, so the first error ends the accept loop, and new connections are refused
    AcceptErrorEndsLoop,
    /// Retries `accept` immediately when no descriptor is left, so each attempt costs CPU time and
    /// logs an `error`
    BusyAccept,
    /// Pauses for 60 s when no descriptor is left, so clients wait although descriptors are free
    LongAcceptPause,
    /// Tests every millisecond whether there is work, so it uses CPU time without clients
    PollsEveryMillisecond,
    /// Tests in a loop whether a client has connected, so it occupies a core without clients
    SpinsWithoutClients,
    /// Tests in a loop whether the client has closed the connection, so it occupies a core
    SpinsInDrain,
    /// Always has a connection limit of 3
    FixedLimit,
    /// Releases a permit as soon as the client is accepted, so there is no connection limit
    IgnoresLimit,
    /// Closes new connections at the connection limit, so new clients get only end of file
    DropsAtLimit,
    // These mutants violate clause 10 (shutdown).
    /// Ignores SIGTERM and SIGINT, so only SIGKILL ends the server
    IgnoresSigterm,
    /// Ignores the second signal, so a user who presses Ctrl-C twice waits for the grace period
    IgnoresSecondSignal,
    /// Has no signal handlers, so the first signal ends the process
    NoSignalHandlers,
    /// Counts each kind of signal separately, so SIGTERM after SIGINT does not end the process
    CountsSignalsSeparately,
    /// Waits for the whole grace period even if no client is connected
    WaitsWholeGracePeriod,
    /// Stops draining at SIGTERM, so a client that still sends data gets an RST
    StopsDrainingAtShutdown,
    /// Exits as soon as one client has disconnected, so the other clients lose the rest of the file
    ExitsAfterFirstClient,
    /// Keeps accepting during the grace period, so a client that connects after SIGTERM is served
    AcceptsInGrace,
    /// Has no grace period, so every connected client loses the rest of the file at SIGTERM
    DisconnectsAtShutdown,
    // These mutants violate clause 11 (events).
    /// Logs `disconnected` twice, so the log has more `disconnected` events than `connected` events
    DisconnectedTwice,
    /// Logs `file_ended` whenever it stops sending the file, even if the client disconnected early
    FileEndedTooEarly,
    /// Waits until its log is read, so all clients are blocked if nothing reads stdout
    WaitsForLog,
    /// Exits when stdout is closed, as if `println!` had panicked, so all clients are disconnected
    ExitsOnClosedStdout,
    // These mutants violate clause 12 (nothing else is served).
    /// Serves the file that the request names, so every file in the same directory is public
    RequestChoosesFile,
    /// Logs the client's bytes without escaping, so a client can forge events
    UnescapedLog,
    /// Keeps everything that the client sends, so an upload fills the memory
    StoresEverything,
    /// Keeps the first MiB that each client sends, so many clients fill the memory
    StoresFirstMib,
    /// Keeps what a client sends after the reply, so an upload fills the memory
    StoresAfterReply,
}
