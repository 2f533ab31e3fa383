//! Creates small repositories, and runs the program in these repositories.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use harness::record::{Measurement, PROGRAMS, Record, Run};
use tempfile::TempDir;

/// Returns a record with the values of two servers in two rounds.
fn record() -> Record {
    let measurement = |id: &str, samples: [f64; 2]| Measurement {
        samples: samples.map(Some).into(),
        ..Measurement::single(id, 0.0)
    };
    let measurements = vec![
        measurement("large/tokio/gb_per_s", [3.0, 2.0]),
        measurement("large/node/gb_per_s", [1.0, 0.5]),
    ];
    Record::new(PROGRAMS.map(|program| Run {
        program: program.to_owned(),
        measurements: measurements.clone(),
        ..Run::default()
    }))
}

/// The siblings whose code is in one file.
pub const SIBLINGS: [&str; 4] = ["std", "tokio", "async-std", "smol"];

pub struct Repository {
    folder: TempDir,
}

impl Repository {
    /// Creates a repository with siblings, a check, a test and a record.
    pub fn new() -> Self {
        let repository = Self { folder: tempfile::tempdir().unwrap() };
        for sibling in SIBLINGS {
            let source = format!("// ANCHOR: copy\nfn copy() {{\n    {sibling}();\n}}\n");
            let source = format!("{source}// ANCHOR_END: copy\n");
            repository.write(&format!("crates/serve-{sibling}/src/lib.rs"), &source);
        }
        repository.write("crates/conformance/src/checks/a.rs", "Check { id: \"half-close\", }\n");
        repository.write("crates/approaches/tests/it/a.rs", "#[test]\nfn it_holds() {}\n");
        record().write(&repository.path().join("benches/records/2026-01-01-a")).unwrap();
        repository
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, file: &str, text: &str) {
        let path = self.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path().join(file)).unwrap()
    }

    /// Replaces text in a file. Fails if the file does not contain the text `old`.
    pub fn change(&self, file: &str, old: &str, new: &str) {
        let text = self.read(file);
        assert!(text.contains(old), "expected `{old}` in `{file}`, got: {text}");
        self.write(file, &text.replace(old, new));
    }

    /// Returns a command that runs the program in this repository.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut docs_tool = Command::new(env!("CARGO_BIN_EXE_docs-tool"));
        docs_tool.args(arguments).arg("--root").arg(self.path()).current_dir(self.path());
        // A run with a server locks the temporary folder. Each test uses a different temporary
        // folder, its repository, so that tests can run concurrently.
        docs_tool.env("TMPDIR", self.path());
        docs_tool
    }

    /// Runs the program, checks the exit code, and returns the output on stdout.
    pub fn notes(&self, arguments: &[&str], code: i32) -> String {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let (stdout, stderr) =
            (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert_eq!(status.code(), Some(code), "{stdout}\n{stderr}");
        stdout
    }

    /// Fills in a lesson, checks that no error remains, and returns the new text of the lesson.
    pub fn filled(&self, lesson: &str) -> String {
        self.write("lessons/01-a.md", lesson);
        self.notes(&["fill", "lessons/01-a.md"], 0);
        self.notes(&["check", "lessons/01-a.md"], 0);
        self.read("lessons/01-a.md")
    }
}
