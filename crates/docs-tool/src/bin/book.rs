//! `book`: makes the book of the lessons, the exercises and the code.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use clap::{Arg, ArgAction, value_parser};
use docs_tool::book::{self, mdbook, tree};

const ABOUT: &str = "\
Makes the book: lessons, exercises, the four siblings side by side, and the
docs, as pages that need no network. The result is in target/book; open
index.html there with any browser.";

const EXAMPLES: &str = "\
Examples:
  book              build it, and print where it is
  book --open       and open it in a browser
  book --serve      serve it on this machine alone, and build again on changes

mdBook 0.5 is taken from the PATH; if it is not there, it is fetched into
target/book-tools, prebuilt by pip, or else built by cargo.

Exit code: 0 it is built, 1 a page is wrong (each with file, line and what to
do), 2 it could not run.";

/// The exit code if a page has errors.
const EXIT_FAULTS: u8 = 1;
/// It could not run.
const EXIT_UNABLE: u8 = 2;
/// How often `--serve` looks for changes.
const LOOK: Duration = Duration::from_millis(700);
/// What of docs/book goes beside the settings.
const STYLE: [&str; 3] = ["book.toml", "highwater.css", "highwater.js"];

enum Failure {
    /// The number of errors in the pages. They have been printed.
    Faults(usize),
    Unable(String),
}

fn main() -> ExitCode {
    let matches = command().get_matches();
    let is_draft = matches.get_flag("draft");
    let port: Option<u16> = matches.get_one("serve").copied();
    let done = match port {
        Some(port) => serve(port, is_draft, matches.get_flag("open")),
        None => build(is_draft).and_then(|index| {
            let opened = if matches.get_flag("open") { open(&index) } else { Ok(()) };
            writeln!(io::stdout(), "{}", index.display()).or(Ok(())).and(opened)
        }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Faults(faults)) => {
            say(&format!("{}; the book is not built (--draft builds it anyway)", errors(faults)));
            ExitCode::from(EXIT_FAULTS)
        }
        Err(Failure::Unable(message)) => {
            say(&message);
            ExitCode::from(EXIT_UNABLE)
        }
    }
}

fn command() -> clap::Command {
    clap::Command::new("book")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Makes the book of the lessons, the exercises and the code")
        .long_about(ABOUT)
        .after_help(EXAMPLES)
        .max_term_width(80)
        .args([
            Arg::new("open")
                .long("open")
                .action(ArgAction::SetTrue)
                .help("Open it in the default browser"),
            Arg::new("draft")
                .long("draft")
                .action(ArgAction::SetTrue)
                .help("Build it although links or markers are wrong; they are told"),
            Arg::new("serve")
                .long("serve")
                .value_name("PORT")
                .num_args(0..=1)
                .default_missing_value("3000")
                .value_parser(value_parser!(u16).range(1..))
                .help("Serve it on 127.0.0.1, and build it anew when a page changes"),
        ])
}

fn build(is_draft: bool) -> Result<PathBuf, Failure> {
    let root = root()?;
    let target = root.join("target");
    let pages = write_source(&root, is_draft)?;
    let program = mdbook::find_or_install(&target.join("book-tools")).map_err(Failure::Unable)?;
    say(&format!("building {pages} pages"));
    let into = target.join("book");
    mdbook::build(&program, &target.join("book-src"), &into).map_err(Failure::Unable)?;
    mdbook::shorten_print(&into).map_err(|error| unable("target/book/print.html", &error))?;
    Ok(into.join("index.html"))
}

/// Writes mdBook's source, and tells how many pages it has.
fn write_source(root: &Path, is_draft: bool) -> Result<usize, Failure> {
    let made = book::assemble(root);
    for fault in &made.faults {
        let _ = writeln!(io::stderr(), "{fault}");
    }
    if !made.faults.is_empty() && !is_draft {
        return Err(Failure::Faults(made.faults.len()));
    }
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for name in STYLE {
        let path = root.join("docs/book").join(name);
        let bytes =
            fs::read(&path).map_err(|error| unable(&format!("docs/book/{name}"), &error))?;
        files.insert(name.to_owned(), bytes);
    }
    // The settings end with the table of what search leaves out.
    let settings = files.entry("book.toml".to_owned()).or_default();
    for page in &made.unsearched {
        settings.extend(format!("\"{page}\" = {{ enable = false }}\n").bytes());
    }
    files.extend(made.files.into_iter().map(|(path, bytes)| (format!("src/{path}"), bytes)));
    let folder = root.join("target/book-src");
    tree::sync(&folder, &files).map_err(|error| unable("target/book-src", &error))?;
    Ok(made.pages)
}

/// Lets mdBook serve the book, and refreshes its source when anything in the repository changes.
fn serve(port: u16, is_draft: bool, open_it: bool) -> Result<(), Failure> {
    let root = root()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    if TcpStream::connect(address).is_ok() {
        let message = format!("port {port} is in use; name another one: --serve {}", port ^ 1);
        return Err(Failure::Unable(message));
    }
    let target = root.join("target");
    let pages = write_source(&root, is_draft)?;
    let program = mdbook::find_or_install(&target.join("book-tools")).map_err(Failure::Unable)?;
    say(&format!("{pages} pages on http://{address}/ (Ctrl-C ends it)"));
    let mut command = Command::new(&program);
    command.arg("serve").arg(target.join("book-src")).arg("--dest-dir").arg(target.join("book"));
    command
        .args(["--hostname", "127.0.0.1", "--port", &port.to_string()])
        .env("MDBOOK_LOG", "warn");
    if open_it {
        command.arg("--open");
    }
    let child = command.spawn().map_err(|error| unable("mdbook", &error))?;
    refresh_while(child, &root, is_draft)
}

fn refresh_while(mut child: Child, root: &Path, is_draft: bool) -> Result<(), Failure> {
    let mut known = newest(root);
    let is_asked = asked_to_end().map_err(|error| unable("signals", &error))?;
    loop {
        if is_asked.load(Ordering::Relaxed) {
            let _ = child.kill();
            let _ = child.wait();
            return Ok(());
        }
        // Ctrl-C reaches both of us; if mdBook ends by itself, so do we.
        if let Ok(Some(status)) = child.try_wait() {
            let message = format!("mdBook ended: {status}");
            return if status.success() { Ok(()) } else { Err(Failure::Unable(message)) };
        }
        thread::sleep(LOOK);
        let now = newest(root);
        if now == known {
            continue;
        }
        known = now;
        match write_source(root, is_draft) {
            Ok(_) => say("changed: built again"),
            Err(Failure::Faults(faults)) => {
                say(&format!("{}; the book is not built again", errors(faults)))
            }
            Err(Failure::Unable(message)) => say(&message),
        }
    }
}

/// Becomes true when somebody asks this process to end. On Windows, Ctrl-C ends both of us.
fn asked_to_end() -> io::Result<Arc<AtomicBool>> {
    let is_asked = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&is_asked))?;
    }
    Ok(is_asked)
}

/// When anything that the book is made of changed last.
fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let seen = entries.filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        !name.starts_with('.') && name != "target" && name != "node_modules"
    });
    let times = seen.filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        let own = metadata.modified().ok();
        if metadata.is_dir() { own.max(newest(&entry.path())) } else { own }
    });
    times.max()
}

fn open(index: &Path) -> Result<(), Failure> {
    let mut command = if cfg!(target_os = "macos") {
        Command::new("open")
    } else if cfg!(windows) {
        Command::new("explorer")
    } else {
        Command::new("xdg-open")
    };
    let by_hand = |why: String| Failure::Unable(format!("{why}; open {} by hand", index.display()));
    let status = command.arg(index).status();
    let status = status.map_err(|error| by_hand(format!("no browser to open it with: {error}")))?;
    // Windows' explorer says 1 when all went well.
    if status.success() || cfg!(windows) {
        return Ok(());
    }
    Err(by_hand(format!("the browser did not start: {status}")))
}

/// The repository: the nearest folder upwards that holds the book's settings.
fn root() -> Result<PathBuf, Failure> {
    let here = std::env::current_dir().map_err(|error| unable("the current folder", &error))?;
    let found = here.ancestors().find(|folder| folder.join("docs/book/book.toml").is_file());
    found.map(Path::to_owned).ok_or_else(|| {
        Failure::Unable("no docs/book/book.toml here or above; run this in the repository".into())
    })
}

fn unable(what: &str, error: &io::Error) -> Failure {
    Failure::Unable(format!("{what}: {error}"))
}

fn errors(count: usize) -> String {
    format!("{count} error{}", if count == 1 { "" } else { "s" })
}

fn say(words: &str) {
    let _ = writeln!(io::stderr(), "book: {words}");
}
