//! The bugs: their names, and what is wrong with each.

/// Makes the enum, its list and its names out of one table, so that the sentence in the
/// documentation is the sentence that `zoo --list` prints.
macro_rules! bugs {
    ($($(#[doc = $line:literal])+ $bug:ident = $name:literal,)+) => {
        /// One way to be wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug {
            $($(#[doc = $line])+ $bug,)+
        }

        impl Bug {
            /// All of them, by clause of the contract.
            pub const ALL: &[Bug] = &[$(Bug::$bug),+];

            /// Its name on the command line.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Bug::$bug => $name),+ }
            }

            /// What is wrong, and what a client sees of it.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self { $(Bug::$bug => concat!($($line),+).trim_start()),+ }
            }
        }
    };
}

bugs! {
    // 1. Bind.
    /// Listens with a backlog of 5: in a burst of connects some wait a second or more, since their
    /// SYN was dropped.
    SmallBacklog = "small-backlog",
    // 2. At once.
    /// Writes nothing until the client speaks: a silent client gets nothing.
    AcceptThenWait = "accept-then-wait",
    /// Waits a third of a second for a request, and answers anyway: a silent client gets the whole
    /// file, but late.
    WaitsALittle = "waits-a-little",
    /// Reads the file once, at start: a file that was replaced is never seen.
    FileReadOnce = "file-read-once",
    /// Ends the bare preamble with CRLF instead of two newlines: two bytes too many.
    WrongNewline = "wrong-newline",
    /// Leaves Content-Length out of the http header: a client cannot tell whether all came.
    HttpWithoutLength = "http-without-length",
    /// Says one byte too many in Content-Length: a client waits for it and reports a partial file.
    WrongLength = "wrong-length",
    // 3. Chunks.
    /// Reads the whole file into memory for every connection: the process grows by the file's
    /// length with every slow client.
    WholeFileInMemory = "whole-file-in-memory",
    /// Makes one chunk of the whole file, whatever `--chunk` says: one `chunk` event, one huge
    /// write.
    WholeWritesInsteadOfChunk = "whole-writes-instead-of-chunk",
    /// Forgets the last chunk unless it is full: the end of the file is missing.
    LosesLastPartialChunk = "loses-last-partial-chunk",
    // 4. Length.
    /// Sends zeros up to the promised length when the file shrank: right in number, wrong in
    /// content.
    Pads = "pads",
    /// Reads on to the file's present end: when it grew, more comes than was promised.
    FollowsGrowth = "follows-growth",
    // 5. Listening while sending.
    /// Does not read while it sends: a client that uploads before it reads waits for ever.
    NeverReads = "never-reads",
    /// Tells every read as a `data` event: a flooder fills the log.
    FloodsLog = "floods-log",
    // 6. Half-close is not goodbye.
    /// Asks again and again whether there is more after the client's FIN: a full core for each client
    /// that half-closed.
    SpinsAfterFin = "spins-after-fin",
    /// Takes the client's FIN for its goodbye: who half-closes gets a part of the file.
    HalfCloseAsGoodbye = "half-close-as-goodbye",
    // 7. Ending.
    /// Closes right after the last byte: a client that speaks afterwards is answered by RST, which
    /// destroys what it has not read yet.
    CloseWithoutDrain = "close-without-drain",
    /// Writes and closes, and never reads at all, as a first server does: with an unread request
    /// the close is a RST, and the client loses the end of the file.
    WriteAndClose = "write-and-close",
    /// Never shuts its writing side down: the bytes come, but the end never does while the client
    /// waits for it.
    NoFin = "no-fin",
    /// Has no linger timeout: a client that never closes is kept for ever.
    NeverLetsGo = "never-lets-go",
    // 8. Errors end one connection.
    /// Takes a client's reset for the end of the world: the whole process dies, and all other
    /// clients with it.
    DiesOnReset = "dies-on-reset",
    /// Keeps the file open when its client goes early: after enough of them no descriptor is left.
    LeaksDescriptors = "leaks-descriptors",
    /// Waits for ever for a client that takes nothing: it keeps a socket, a file and two threads.
    NoStallTimeout = "no-stall-timeout",
    /// Counts the stall timeout from the client's start instead of its last progress: who is only
    /// slow is cut off.
    CutsSlowReaders = "cuts-slow-readers",
    /// Dies when the file is gone: from then on every connect is refused.
    MissingFileKills = "missing-file-kills",
    /// Hangs when the file is gone: a client gets no byte and no end.
    MissingFileHangs = "missing-file-hangs",
    // 9. Accept never dies.
    /// Serves one client at a time: the next gets nothing until the one before has left.
    Sequential = "sequential",
    /// Serves with a pool of 64 threads: as many clients that do not read stop all others.
    PoolOfThreads = "pool-of-threads",
    /// Is asynchronous with one executor thread, but writes with a blocking call: one client that
    /// does not read stops all others.
    BlockingOnExecutor = "blocking-on-executor",
    /// Writes `accept()?`: the first error (no descriptor left, say) ends accepting; the process
    /// lives, but whoever connects is refused.
    QuestionMarkInAccept = "question-mark-in-accept",
    /// Tries again at once when no descriptor is left: a full core, and an `error` event each time.
    BusyAccept = "busy-accept",
    /// Has a cap and keeps to none: a place is free again as soon as its client is accepted.
    IgnoresCap = "ignores-cap",
    /// Closes who comes when the cap is reached, instead of letting them wait: no bytes, just an
    /// end.
    DropsAtCap = "drops-at-cap",
    // 10. Shutdown.
    /// Ignores SIGTERM and SIGINT: only SIGKILL ends it.
    IgnoresSigterm = "ignores-sigterm",
    /// Hears only the first signal: who insists has to wait for the grace.
    IgnoresSecondSignal = "ignores-second-signal",
    /// Accepts on during the grace: a client that comes after SIGTERM is served.
    ServesInGrace = "serves-in-grace",
    /// Knows no grace: at SIGTERM whoever is connected loses the rest of the file.
    CutsAtShutdown = "cuts-at-shutdown",
    // 11. Events.
    /// Tells `disconnected` twice.
    DisconnectedTwice = "disconnected-twice",
    /// Tells `file_ended` when it is done with the file, even if the client went away in the
    /// middle.
    FileEndedTooEarly = "file-ended-too-early",
    /// Waits for whoever reads the log: a stdout that nobody reads stops all clients.
    WaitsForLog = "waits-for-log",
    /// Dies when stdout is closed, as `println!` does.
    DiesOnClosedStdout = "dies-on-closed-stdout",
    // 12. Nothing else is served.
    /// Serves the file that the request names, if it names one: everything beside the file is
    /// public.
    RequestChoosesFile = "request-chooses-file",
    /// Puts what the client sent into the log as it is: a client can write events of its own.
    UnescapedLog = "unescaped-log",
    /// Remembers all that the client says: an upload fills the memory.
    RemembersEverything = "remembers-everything",
}
