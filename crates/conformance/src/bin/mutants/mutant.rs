//! The mutants: their names, and the bug that each one has.

/// Generates the enum, its list, and its names from one table, so that the documentation of a
/// variant is also the description that `mutants --list` prints.
macro_rules! mutants {
    ($($(#[doc = $line:literal])+ $mutant:ident = $name:literal,)+) => {
        /// A server with one deliberate bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutant {
            $($(#[doc = $line])+ $mutant,)+
        }

        impl Mutant {
            /// All mutants, in the order of the contract's clauses.
            pub const ALL: &[Mutant] = &[$(Mutant::$mutant),+];

            /// The name on the command line.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Mutant::$mutant => $name),+ }
            }

            /// What the server does wrong, and the effect that a client sees.
            #[must_use]
            pub fn description(self) -> &'static str {
                match self { $(Mutant::$mutant => concat!($($line),+).trim_start()),+ }
            }
        }
    };
}

mutants! {
    // 1. Bind.
    /// Listens with a backlog of 5: in a burst of connections, some clients wait a second or more,
    /// because the kernel dropped their SYN.
    SmallBacklog = "small-backlog",
    // 2. The reply starts immediately.
    /// Writes nothing until the client sends something: a silent client gets no bytes.
    AcceptThenWait = "accept-then-wait",
    /// Waits a third of a second for a request before it replies: a silent client gets the whole
    /// file, but late.
    WaitsALittle = "waits-a-little",
    /// Reads the file once, at startup: clients never get the new content of a replaced file.
    FileReadOnce = "file-read-once",
    /// Ends the bare preamble with CRLF CRLF instead of two newlines: the reply has two extra
    /// bytes.
    WrongNewline = "wrong-newline",
    /// Omits Content-Length from the http header: a client cannot detect a truncated file.
    HttpWithoutLength = "http-without-length",
    /// Sends a Content-Length that is one byte too large: a client waits for that byte and then
    /// reports a partial file.
    WrongLength = "wrong-length",
    // 3. Chunks.
    /// Reads the whole file into memory for every connection: with each slow client, the process
    /// grows by the length of the file.
    WholeFileInMemory = "whole-file-in-memory",
    /// Sends the whole file as one chunk and ignores `--chunk`: one `chunk` event, one huge write.
    WholeWritesInsteadOfChunk = "whole-writes-instead-of-chunk",
    /// Does not send the last chunk unless it is full: the end of the file is missing.
    LosesLastPartialChunk = "loses-last-partial-chunk",
    // 4. Length.
    /// Sends zeros up to the announced length if the file has shrunk: the length is correct, the
    /// content is not.
    Pads = "pads",
    /// Reads to the current end of the file: if the file has grown, the client gets more bytes than
    /// announced.
    FollowsGrowth = "follows-growth",
    // 5. The server reads while it sends.
    /// Does not read while it sends: a client that uploads before it reads waits forever.
    NeverReads = "never-reads",
    /// Logs every read as a `data` event: a client that sends a lot of data fills the log.
    FloodsLog = "floods-log",
    // 6. A half-close does not end the reply.
    /// Keeps reading after the client's FIN: each client that half-closed its connection costs a
    /// full core.
    SpinsAfterFin = "spins-after-fin",
    /// Closes the connection when it receives the client's FIN: a client that half-closes gets only
    /// a part of the file.
    HalfCloseAsGoodbye = "half-close-as-goodbye",
    // 7. The end of a connection.
    /// Closes the connection right after the last byte: if the client sends data afterwards, the
    /// kernel answers with a RST, which destroys what the client has not read yet.
    CloseWithoutDrain = "close-without-drain",
    /// Writes, closes, and never reads: if the request is unread, the close sends a RST, and the
    /// client loses the end of the file.
    WriteAndClose = "write-and-close",
    /// Never shuts down its write half: the client gets all bytes but no end of file while it
    /// waits.
    NoFin = "no-fin",
    /// Has no linger timeout: a connection that the client never closes stays open forever.
    NeverLetsGo = "never-lets-go",
    // 8. An error ends one connection only.
    /// Exits when a client resets its connection: all other clients are disconnected.
    DiesOnReset = "dies-on-reset",
    /// Keeps the file open when its client disconnects early: in the end no file descriptor is
    /// left.
    LeaksDescriptors = "leaks-descriptors",
    /// Waits forever for a client that reads nothing: the client occupies a socket, a file and two
    /// threads.
    NoStallTimeout = "no-stall-timeout",
    /// Measures the stall timeout from the start of the connection instead of the last progress: a
    /// slow client is disconnected.
    CutsSlowReaders = "cuts-slow-readers",
    /// Exits when the file is missing: from then on every connection is refused.
    MissingFileKills = "missing-file-kills",
    /// Hangs when the file is missing: a client gets no byte and no end of file.
    MissingFileHangs = "missing-file-hangs",
    // 9. The accept loop never ends.
    /// Serves one client at a time: the next client gets nothing until the previous one has left.
    Sequential = "sequential",
    /// Serves with a pool of 64 threads: 64 non-reading clients block all other clients.
    PoolOfThreads = "pool-of-threads",
    /// Is asynchronous with one executor thread, but writes with a blocking call: one non-reading
    /// client blocks all other clients.
    BlockingOnExecutor = "blocking-on-executor",
    /// Uses `accept()?`: the first error (no descriptor left, for example) ends the accept loop;
    /// the process stays alive, but every new connection is refused.
    QuestionMarkInAccept = "question-mark-in-accept",
    /// Retries immediately when no descriptor is left: a full core, and an `error` event per
    /// attempt.
    BusyAccept = "busy-accept",
    /// Does not enforce its connection limit: a permit is released as soon as its client is
    /// accepted.
    IgnoresCap = "ignores-cap",
    /// Closes new connections at the connection limit instead of letting the clients wait: a new
    /// client gets no bytes, just an end of file.
    DropsAtCap = "drops-at-cap",
    // 10. Shutdown.
    /// Ignores SIGTERM and SIGINT: only SIGKILL ends it.
    IgnoresSigterm = "ignores-sigterm",
    /// Ignores the second signal: a user who presses Ctrl-C twice still waits for the grace period.
    IgnoresSecondSignal = "ignores-second-signal",
    /// Keeps accepting during the grace period: a client that connects after SIGTERM is served.
    ServesInGrace = "serves-in-grace",
    /// Has no grace period: at SIGTERM every connected client loses the rest of the file.
    CutsAtShutdown = "cuts-at-shutdown",
    // 11. Events.
    /// Logs `disconnected` twice.
    DisconnectedTwice = "disconnected-twice",
    /// Logs `file_ended` when it stops sending the file, even if the client disconnected in the
    /// middle.
    FileEndedTooEarly = "file-ended-too-early",
    /// Waits until its log is read: if nothing reads stdout, all clients are blocked.
    WaitsForLog = "waits-for-log",
    /// Exits when stdout is closed, as `println!` does.
    DiesOnClosedStdout = "dies-on-closed-stdout",
    // 12. Nothing else is served.
    /// Serves the file that the request names: every file in the same folder is public.
    RequestChoosesFile = "request-chooses-file",
    /// Logs the client's bytes without escaping: a client can write events of its own.
    UnescapedLog = "unescaped-log",
    /// Keeps everything that the client sends: an upload fills the memory.
    RemembersEverything = "remembers-everything",
}
