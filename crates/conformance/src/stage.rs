//! The environment of one check. The environment consists of the servers that the check starts, and
//! of a folder that contains the served file.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use harness::{Signal, TempFolder, port};

use crate::process::{Process, Stdout, lock};
use crate::server::Server;
use crate::target::{Settings, Target};
use crate::verdict::{Outcome, Stop};

/// The time limit for each start of a server after the target's first start. The limit is
/// sufficient for a busy computer.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The environment of one check. Dropping the stage stops all servers of the check.
#[derive(Debug)]
pub struct Stage {
    pub target: Target,
    folder: TempFolder,
    /// The processes of all servers of the check, or `None` if the stage is closed.
    processes: Mutex<Option<Vec<Arc<Process>>>>,
}

/// The options with which a server is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Start {
    pub settings: Settings,
    /// Indicates whether this start is the target's first start, for which
    /// [`Target::start_timeout`] is the time limit.
    pub is_first: bool,
    /// The maximum number of open file descriptors, which a shell sets. `None` keeps the limit of
    /// the current process.
    pub descriptors: Option<u64>,
    pub stdout: Stdout,
}

impl Stage {
    pub fn new(target: &Target) -> io::Result<Self> {
        let folder = TempFolder::new()?;
        Ok(Self { target: target.clone(), folder, processes: Mutex::new(Some(Vec::new())) })
    }

    /// Explains a failure of the server that was started last (see [`Process::explanation`]).
    pub fn explanation(&self) -> Option<String> {
        let last = lock(&self.processes).as_ref()?.last().cloned();
        last?.explanation()
    }

    /// Kills all servers and removes the folder, even if the check is still running. Afterward,
    /// the check cannot start another server.
    pub fn close(&self) {
        let processes = lock(&self.processes).take();
        processes.iter().flatten().for_each(|process| process.kill());
        let _ = fs::remove_dir_all(self.folder.path());
    }

    /// Returns the path of the served file.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("file.bin")
    }

    /// Changes the content of the served file.
    pub fn write(&self, content: &[u8]) -> io::Result<()> {
        fs::write(self.file(), content)
    }

    /// Replaces the served file with a new file. Servers that have opened the old file can still
    /// read its content.
    pub fn replace(&self, content: &[u8]) -> io::Result<()> {
        let new = self.file().with_extension("new");
        fs::write(&new, content)?;
        fs::rename(&new, self.file())
    }

    /// Sets the length of the served file. If the file becomes longer, the added zeros do not
    /// occupy disk space.
    pub fn set_len(&self, bytes: u64) -> io::Result<()> {
        File::options().create(true).append(true).open(self.file())?.set_len(bytes)
    }

    /// Writes the content to the file and starts a server.
    pub fn serve(&self, content: &[u8]) -> Result<Server, Stop> {
        self.serve_with(Settings::default(), content)
    }

    /// Writes the content to the file and starts a server with these settings.
    pub fn serve_with(&self, settings: Settings, content: &[u8]) -> Result<Server, Stop> {
        self.write(content)?;
        self.start(Start { settings, ..Start::default() })
    }

    /// Starts a server for a file that consists of zeros.
    pub fn serve_zeros(&self, bytes: u64) -> Result<Server, Stop> {
        self.set_len(bytes)?;
        self.start(Start::default())
    }

    /// Starts a server.
    pub fn start(&self, start: Start) -> Result<Server, Stop> {
        let port = port::free()?;
        let words = self.target.words(&self.file(), port, start.settings);
        let server = Server {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            preamble: start.settings.preamble(),
            silence_timeout: self.target.silence_timeout,
            timeouts: self.target.timeouts(start.settings),
            process: self.spawn(&words, start)?,
        };
        let timeout = if start.is_first { self.target.start_timeout } else { START_TIMEOUT };
        server.wait_until_listening(timeout)
    }

    fn spawn(&self, words: &[OsString], start: Start) -> Result<Arc<Process>, Stop> {
        // The lock ensures that `close` waits until the process is in the list.
        let mut processes = lock(&self.processes);
        let processes = processes.as_mut().ok_or_else(|| Stop::fail("the check has ended"))?;
        let mut command = command(words, start.descriptors);
        command.envs(self.target.environment.iter().cloned());
        let process = Process::spawn(&mut command, start.stdout);
        let process = Arc::new(process.map_err(|error| {
            Stop::fail(format!("cannot start `{}`: {error}", words[0].to_string_lossy()))
        })?);
        processes.push(Arc::clone(&process));
        Ok(process)
    }

    /// Skips the check if this system has no signals.
    pub fn require_signals(&self) -> Outcome {
        match Signal::EXIST {
            true => Ok(()),
            false => Err(Stop::skip("this system has no signals")),
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // The folder is removed after the servers have ended, because a server may write to it.
        self.close();
    }
}

/// Returns the command that starts a server. If `descriptors` is set, a shell limits the number of
/// open file descriptors.
fn command(words: &[OsString], descriptors: Option<u64>) -> Command {
    let mut command = match descriptors {
        None => Command::new(&words[0]),
        Some(limit) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")]);
            shell.arg(&words[0]);
            shell
        }
    };
    // Users rarely set this variable. Setting it would hide a missing flush in a Python server.
    command.env_remove("PYTHONUNBUFFERED");
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
