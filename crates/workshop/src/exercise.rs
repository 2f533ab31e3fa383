//! What an exercise is: a folder, and the `exercise.toml` in it, whose fields are those of [`Plan`].

use std::fs;
use std::path::{Path, PathBuf};

use conformance::{ALL, Check, Measure};
use serde::Deserialize;

/// The mark of the place where a learner begins.
const YOUR_TURN: &str = "Your turn";

/// One exercise.
#[derive(Debug)]
pub struct Exercise {
    /// Two digits.
    pub number: String,
    /// The name of its folder: the number, a hyphen, a few words.
    pub name: String,
    pub folder: PathBuf,
    pub plan: Plan,
    /// What is graded, in this order.
    pub checks: Vec<&'static Check>,
}

/// What `exercise.toml` says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub title: String,
    /// How long it takes somebody who has read the lesson.
    pub minutes: u32,
    /// The file of its lesson, in `lessons/`.
    pub lesson: String,
    /// What it is about, in one sentence.
    pub idea: String,
    /// What follows the program, with the places that a command of `conformance` has: `{file}`,
    /// `{port}`, and perhaps `{chunk}`, `{preamble}`, `{stall}` and `{cap}`.
    pub arguments: String,
    /// The checks of `conformance` that grade it, in the order in which they are explained.
    checks: Vec<String>,
    /// `[starter]`.
    pub starter: Red,
    /// `[[stumble]]`, in the order in which they are tried.
    #[serde(default, rename = "stumble")]
    pub stumbles: Vec<Stumble>,
    /// `[[wrong]]`.
    #[serde(default, rename = "wrong")]
    pub wrongs: Vec<Wrong>,
    /// `[[measure]]`, counted when all checks hold.
    #[serde(default, rename = "measure")]
    pub measures: Vec<MeasurePlan>,
}

/// For what reason the starter is red.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Red {
    /// A check, or what is measured.
    pub check: String,
    /// What has to be in what it says came; seconds in it are not compared.
    #[serde(default)]
    pub words: String,
}

/// What a red verdict means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stumble {
    /// Its name for `[[wrong]]`.
    pub id: String,
    /// A check, or what is measured.
    pub check: String,
    /// It fits if this is in what came, whatever seconds both name; without words it always does.
    #[serde(default)]
    pub words: String,
    /// What the learner is told then.
    pub say: String,
}

/// A plausible answer that is wrong: `wrong/ID.rs`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wrong {
    /// The file's name, and the end of its target's in Cargo.toml: `wrong-NN-ID`.
    pub id: String,
    /// The stumble that has to explain it; or what is measured, if that has to.
    pub stumble: String,
}

/// A count, and what it has to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasurePlan {
    pub what: What,
    /// How many clients are there at once, and read nothing.
    #[serde(default)]
    pub clients: usize,
    /// How long the served file is.
    pub bytes: Option<u64>,
    /// What the server is told as its chunk size, in bytes.
    pub chunk: Option<usize>,
    pub at_most: Option<f64>,
    pub at_least: Option<f64>,
    /// For `blocked-in`: the system call. Several words: any of them.
    pub is: Option<String>,
    /// For `source-lacks`: what must not be in it.
    pub word: Option<String>,
    pub say: String,
}

/// What is measured.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The server's threads, with clients.
    Threads,
    /// The system calls that read files, to send one of so many bytes to one client.
    ReadCalls,
    /// The KiB by which its memory grows with clients.
    MemoryKib,
    /// The milliseconds of processor that it uses in a second with clients; without clients, to send
    /// so many bytes to one.
    CpuMs,
    /// The system call in which one of its threads waits, with clients.
    BlockedIn,
    /// How many times as fast it sends so many bytes as the starter, the example `starter-NN`.
    TimesStarter,
    /// Whether a word is missing in `src/main.rs`.
    SourceLacks,
}

impl What {
    pub fn name(self) -> &'static str {
        match self {
            Self::Threads => "threads",
            Self::ReadCalls => "read-calls",
            Self::MemoryKib => "memory-kib",
            Self::CpuMs => "cpu-ms",
            Self::BlockedIn => "blocked-in",
            Self::TimesStarter => "times-starter",
            Self::SourceLacks => "source-lacks",
        }
    }

    /// What the operating system counts of it, if it does.
    pub fn measure(self) -> Option<Measure> {
        match self {
            Self::Threads => Some(Measure::Threads),
            Self::ReadCalls => Some(Measure::ReadCalls),
            Self::MemoryKib => Some(Measure::MemoryKib),
            Self::CpuMs => Some(Measure::CpuMs),
            Self::BlockedIn => Some(Measure::BlockedIn),
            Self::TimesStarter | Self::SourceLacks => None,
        }
    }
}

impl Exercise {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// What is wrong with its `exercise.toml`, and the mend.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join("exercise.toml");
        let wrong = |what: &str| format!("{}: {what}", path.display());
        let text = fs::read_to_string(&path).map_err(|error| wrong(&error.to_string()))?;
        let plan: Plan = toml::from_str(&text).map_err(|error| wrong(&format!("\n{error}")))?;
        let find = |id: &String| {
            let found = ALL.iter().copied().flatten().find(|check| check.id == id);
            found.ok_or_else(|| {
                wrong(&format!(
                    "there is no check \"{id}\"; mend: cargo run -p conformance -- --list has all"
                ))
            })
        };
        let checks = plan.checks.iter().map(find).collect::<Result<_, _>>()?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let number = name.split('-').next().unwrap_or_default().to_owned();
        let exercise = Self { number, name, folder: folder.to_owned(), plan, checks };
        exercise.look_through().map_err(|what| wrong(&what))?;
        Ok(exercise)
    }

    /// What the types do not say.
    fn look_through(&self) -> Result<(), String> {
        let plan = &self.plan;
        for place in ["{file}", "{port}"] {
            if !plan.arguments.contains(place) {
                return Err(format!("arguments lack {place}"));
            }
        }
        let is_graded = |name: &str| {
            self.checks.iter().any(|check| check.id == name)
                || plan.measures.iter().any(|measure| measure.what.name() == name)
        };
        let stumbles = plan.stumbles.iter().map(|stumble| stumble.check.as_str());
        for name in stumbles.chain([plan.starter.check.as_str()]) {
            if !is_graded(name) {
                return Err(format!("\"{name}\" is neither in checks nor measured"));
            }
        }
        for (index, stumble) in plan.stumbles.iter().enumerate() {
            if plan.stumbles[..index].iter().any(|other| other.id == stumble.id) {
                return Err(format!("two stumbles are called \"{}\"", stumble.id));
            }
        }
        for Wrong { id, stumble } in &plan.wrongs {
            let is_known = plan.stumbles.iter().any(|known| known.id == *stumble)
                || plan.measures.iter().any(|measure| measure.what.name() == stumble);
            if !is_known {
                return Err(format!("wrong \"{id}\": there is no stumble \"{stumble}\""));
            }
        }
        plan.measures.iter().try_for_each(MeasurePlan::look_through)
    }

    /// The package, and the program in it.
    pub fn package(&self) -> String {
        format!("exercise-{}", self.number)
    }

    /// Its number, title and length, in parentheses.
    pub fn brief(&self) -> String {
        format!("({}, {}: {} minutes)", self.number, self.plan.title, self.plan.minutes)
    }

    pub fn main_file(&self) -> PathBuf {
        self.folder.join("src/main.rs")
    }

    pub fn solution_file(&self) -> PathBuf {
        self.folder.join("solution/main.rs")
    }

    /// The line of the file where the learner begins, if the mark is still there.
    pub fn your_turn_line(&self) -> Option<usize> {
        let text = fs::read_to_string(self.main_file()).ok()?;
        text.lines().position(|line| line.contains(YOUR_TURN)).map(|index| index + 1)
    }

    /// The three hints.
    ///
    /// # Errors
    ///
    /// When they cannot be read, are not three, or one is empty.
    pub fn hints(&self) -> Result<Vec<String>, String> {
        let path = self.folder.join("hints.md");
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?
            .replace("\r\n", "\n");
        let mut hints = Vec::new();
        for part in format!("\n{text}").split("\n## ").skip(1) {
            let (heading, hint) = part.split_once('\n').unwrap_or((part, ""));
            hints.push((heading.trim().to_owned(), hint.trim().to_owned()));
        }
        let headings: Vec<&str> = hints.iter().map(|(heading, _)| heading.as_str()).collect();
        if headings != ["1", "2", "3"] {
            return Err(format!(
                "{}: its headings are {headings:?}; mend: ## 1, ## 2 and ## 3, in this order",
                path.display()
            ));
        }
        if let Some((heading, _)) = hints.iter().find(|(_, hint)| hint.is_empty()) {
            return Err(format!("{}: hint {heading} is empty", path.display()));
        }
        Ok(hints.into_iter().map(|(_, hint)| hint).collect())
    }
}

impl MeasurePlan {
    fn look_through(&self) -> Result<(), String> {
        let name = self.what.name();
        let has_bound = self.at_most.is_some() || self.at_least.is_some();
        let (is_whole, mend) = match self.what {
            What::BlockedIn => (self.is.is_some() && !has_bound, "is = \"sendfile\""),
            What::SourceLacks => (self.word.is_some() && !has_bound, "word = \"async_std\""),
            _ => (has_bound && self.is.is_none(), "at_most or at_least"),
        };
        if !is_whole {
            return Err(format!("measure \"{name}\" needs {mend}, and nothing of another kind"));
        }
        Ok(())
    }

    /// What has to hold, in one line.
    pub fn title(&self) -> String {
        let with_clients = match self.clients {
            0 | 1 => "with a client that does not read".to_owned(),
            several => format!("with {several} clients that do not read"),
        };
        let bytes = self.bytes.unwrap_or(1 << 20);
        let bound = match (self.at_least, self.at_most) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (Some(least), None) => format!("{least} at least"),
            (None, Some(most)) => format!("{most} at most"),
            (None, None) => String::new(),
        };
        match self.what {
            What::Threads => format!("Threads {with_clients}: {bound}"),
            What::ReadCalls => format!("System calls that read {bytes} bytes of file: {bound}"),
            What::MemoryKib => format!("KiB of memory that it grows {with_clients}: {bound}"),
            What::CpuMs if self.clients == 0 => {
                format!("Milliseconds of processor to send {bytes} bytes: {bound}")
            }
            What::CpuMs => {
                format!("Milliseconds of processor in one second {with_clients}: {bound}")
            }
            What::BlockedIn => {
                format!("{} is where a thread waits {with_clients}", self.wanted_call())
            }
            What::TimesStarter => format!("How many times as fast as the starter: {bound}"),
            What::SourceLacks => {
                format!("The source does without {}", self.word.as_deref().unwrap_or_default())
            }
        }
    }

    pub fn wanted_call(&self) -> String {
        self.is.as_deref().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" or ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = r#"
title = "First bytes"
minutes = 5
lesson = "01-the-wire.md"
idea = "A server that speaks first."
arguments = "{file} {port}"
checks = ["at-once"]
[starter]
check = "at-once"
"#;

    fn read(plan: &str) -> Result<Exercise, String> {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("01-first-bytes");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("exercise.toml"), plan).unwrap();
        Exercise::read(&folder)
    }

    #[test]
    fn a_plan_is_read() {
        let exercise = read(PLAN).unwrap();
        assert_eq!((exercise.number.as_str(), exercise.checks[0].id), ("01", "at-once"));
    }

    #[test]
    fn what_is_wrong_with_a_plan_is_said() {
        let says = |from: &str, to: &str| read(&PLAN.replace(from, to)).unwrap_err();
        assert!(says("[\"at-once\"]", "[\"at-onze\"]").contains("no check \"at-onze\""));
        assert!(
            says("check = \"at-once\"", "check = \"half-close\"").contains("neither in checks")
        );
        assert!(says("{port}", "4000").contains("arguments lack {port}"));
        assert!(says("minutes", "minuets").contains("minuets"));
        let measure = "[[measure]]\nwhat = \"threads\"\nsay = \"\"\n[starter]";
        assert!(says("[starter]", measure).contains("needs at_most or at_least"));
        let wrong = "[[wrong]]\nid = \"a\"\nstumble = \"b\"\n[starter]";
        assert!(says("[starter]", wrong).contains("no stumble \"b\""));
    }
}
