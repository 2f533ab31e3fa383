//! The command `book`, which builds the book or serves it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};
use harness::Group;

use super::assemble::assemble;
use super::mdbook;
use crate::common::{print, report};
use crate::repo::Repo;

const EXAMPLES: &str = "\
Examples:
  docs-tool book          build the book, and print its path
  docs-tool book --open   build the book, and open it in a browser
  docs-tool book --serve  serve the book, and build it again after each change

The book is in target/book. Readers of the book do not need a network. If
mdBook 0.5 is not on the PATH, this command installs it in target/book-tools
with pip or Cargo.";

/// The interval at which `--serve` checks the repository for changes.
const POLL_INTERVAL: Duration = Duration::from_millis(700);
/// The settings, the style sheet and the script of the book, which are in docs/book.
const STYLE: [&str; 3] = ["book.toml", "highwater.css", "highwater.js"];

/// Build the book of lessons, exercises and code
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Open the book in the default browser
    #[arg(long)]
    open: bool,
    /// Build the book even if links or markers are incorrect
    #[arg(long)]
    draft: bool,
    /// Serve the book on 127.0.0.1, and build it again when a page changes [default port: 3000]
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "3000",
          value_parser = clap::value_parser!(u16).range(1..))]
    serve: Option<u16>,
}

impl Args {
    pub fn run(self, repo: &Repo) -> anyhow::Result<bool> {
        let Some(pages) = write_source(repo, self.draft)? else { return Ok(false) };
        let program = mdbook::find_or_install(&repo.path("target/book-tools"))?;
        let into = repo.path("target/book");
        let mut mdbook = Command::new(program);
        mdbook.arg(if self.serve.is_some() { "serve" } else { "build" });
        mdbook.arg(repo.path("target/book-src")).arg("--dest-dir").arg(&into);
        mdbook.args(self.open.then_some("--open")).env("MDBOOK_LOG", "warn");
        if let Some(port) = self.serve {
            return serve(repo, mdbook, port, self.draft);
        }
        report(format_args!("building {pages} pages"));
        let output = mdbook.output().context("cannot start mdBook")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        // mdBook prints a warning if a page has an error, for example an HTML tag without an end
        // tag.
        ensure!(output.status.success() && errors.trim().is_empty(), "mdBook failed:\n{errors}");
        mdbook::shorten_print(&into).context("cannot shorten `target/book/print.html`")?;
        print(into.join("index.html").display());
        Ok(true)
    }
}

/// Writes the sources for mdBook. Returns the number of pages, or `None` if a page has errors and
/// `is_draft` is false.
fn write_source(repo: &Repo, is_draft: bool) -> anyhow::Result<Option<usize>> {
    let made = assemble(repo);
    made.errors.iter().for_each(report);
    if !made.errors.is_empty() && !is_draft {
        let count = made.errors.len();
        let errors = if count == 1 { "error" } else { "errors" };
        report(format_args!("{count} {errors}; the book was not built"));
        report("help: fix the pages, or build with --draft");
        return Ok(None);
    }
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for name in STYLE {
        let path = format!("docs/book/{name}");
        let bytes = fs::read(repo.path(&path))
            .with_context(|| format!("cannot read `{path}` in `{}`", repo.root().display()))?;
        files.insert(name.to_owned(), bytes);
    }
    // The last table in book.toml lists the pages that the search omits.
    let settings = files.entry("book.toml".to_owned()).or_default();
    for page in &made.unsearched {
        settings.extend(format!("\"{page}\" = {{ enable = false }}\n").bytes());
    }
    files.extend(made.files.into_iter().map(|(path, bytes)| (format!("src/{path}"), bytes)));
    write_files(&repo.path("target/book-src"), &files).context("cannot write `target/book-src`")?;
    Ok(Some(made.pages))
}

/// Writes the files to a folder, and removes all other files from the folder. Does not write
/// unchanged files, because mdBook treats each written file as a change.
fn write_files(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    for (path, bytes) in files {
        let path = folder.join(path);
        if !fs::read(&path).is_ok_and(|current| current == *bytes) {
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            fs::write(path, bytes)?;
        }
    }
    for path in Repo::at(folder).files_below("", &[""]) {
        if !files.contains_key(&path) {
            fs::remove_file(folder.join(path))?;
        }
    }
    Ok(())
}

/// Serves the book with mdBook, and updates the sources when a file in the repository changes.
fn serve(repo: &Repo, mut mdbook: Command, port: u16, is_draft: bool) -> anyhow::Result<bool> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    if TcpStream::connect(address).is_ok() {
        bail!(
            "port {port} is in use\nhelp: choose another port, for example `--serve {}`",
            port ^ 1
        );
    }
    report(format_args!("serving the book on http://{address}/; press Ctrl-C to stop"));
    mdbook.args(["--hostname", "127.0.0.1", "--port", &port.to_string()]);
    let mut server = Group::spawn(&mut mdbook).context("cannot start mdBook")?;
    let mut known = last_change(repo);
    loop {
        if let Some(status) = server.status() {
            ensure!(status.success(), "mdBook failed: {status}");
            return Ok(true);
        }
        thread::sleep(POLL_INTERVAL);
        let now = last_change(repo);
        if now != known {
            known = now;
            report("a file has changed; updating the book");
            if let Err(error) = write_source(repo, is_draft) {
                report(format_args!("error: {error:#}"));
            }
        }
    }
}

/// Returns the number of files in the repository, and the time of the last change. The time is
/// `None` if the system does not report it for any file.
fn last_change(repo: &Repo) -> (usize, Option<SystemTime>) {
    let files = repo.files_below("", &[""]);
    let changed = |file: &String| fs::metadata(repo.path(file)).ok()?.modified().ok();
    (files.len(), files.iter().filter_map(changed).max())
}
