//! Reads exercises. An exercise is a folder with a file `exercise.toml`, which contains the fields
//! of [`Plan`].

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use conformance::{ALL, Check};
use serde::Deserialize;

use crate::measurement::{MeasureKind, MeasurePlan};

/// The heading of the part of a hint for all failures without a part.
const OTHER: &str = "other";

/// One exercise.
#[derive(Debug)]
pub struct Exercise {
    /// The number of the exercise, with two digits.
    pub number: String,
    /// The name of the exercise's folder, such as `05-survive-errors`.
    pub name: String,
    pub folder: PathBuf,
    pub plan: Plan,
    /// The checks that grade the exercise, in the order of `exercise.toml`.
    pub checks: Vec<&'static Check>,
}

/// The content of `exercise.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub title: String,
    /// The time in minutes that a learner needs after reading the lesson.
    pub minutes: u32,
    /// The name of the lesson's file in `lessons/`.
    pub lesson: String,
    /// The subject of the exercise, in one sentence.
    pub idea: String,
    /// The arguments of the program. They contain the placeholders `{file}` and `{port}` of
    /// `conformance`, and optionally other placeholders of `conformance`.
    pub arguments: String,
    /// The maximum value of `{limit}`, for a server that starts that many threads.
    pub limit_max: Option<usize>,
    /// The reason why this exercise cannot be solved in another language, or `None` if it can.
    pub rust_only: Option<String>,
    /// The names of the `conformance` checks that grade the exercise, in the order of priority. The
    /// order determines which failure the workshop explains if several checks fail.
    checks: Vec<String>,
    /// The failure that the starter must show (`[starter]`).
    pub starter: ExpectedFailure,
    /// Explanations of failures (`[[diagnosis]]`). The first explanation that matches is printed.
    #[serde(default, rename = "diagnosis")]
    pub diagnoses: Vec<Diagnosis>,
    /// Plausible but incorrect answers (`[[wrong]]`).
    #[serde(default, rename = "wrong")]
    pub wrong_answers: Vec<WrongAnswer>,
    /// Measurements that are taken when all checks pass (`[[measure]]`).
    #[serde(default, rename = "measure")]
    pub measures: Vec<MeasurePlan>,
}

/// The failure that a program must show.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedFailure {
    /// The name of a check or of a measurement.
    pub check: String,
    /// Part of the failure's message. Numbers of seconds are not compared.
    #[serde(default)]
    pub words: String,
}

/// The explanation of a failure.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diagnosis {
    /// The name of the diagnosis. A `[[wrong]]` entry refers to the diagnosis by this name.
    pub id: String,
    /// The name of a check or of a measurement.
    pub check: String,
    /// Part of the failure's message. Numbers of seconds are not compared. If `words` is empty,
    /// every failure of `check` matches.
    #[serde(default)]
    pub words: String,
    /// The text that is printed for the learner. It fits a server in any language, unless the
    /// exercise has a reason in `rust_only`.
    pub explanation: String,
    /// Additional text for a server in Rust.
    #[serde(default)]
    pub rust: String,
}

/// A plausible but incorrect answer, which is the base with its edits or the file `wrong/ID.rs`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrongAnswer {
    /// The name of the answer, which is also the name of a module.
    pub id: String,
    /// The error, in one sentence.
    pub why: String,
    /// The id of the diagnosis, or the name of the measurement, that must explain the failure.
    pub diagnosis: String,
    #[serde(default)]
    pub base: Base,
    /// Pairs of a text, which occurs exactly once in the base, and its replacement. If there are no
    /// edits, the answer is the file `wrong/ID.rs`.
    #[serde(default)]
    pub edits: Vec<[String; 2]>,
}

/// The program that the edits of a wrong answer change.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    #[default]
    Solution,
    Starter,
}

impl Exercise {
    /// Reads an exercise from its folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("exercise.toml");
        let text = fs::read_to_string(&path);
        let text = text.with_context(|| format!("cannot read `{}`", path.display()))?;
        let invalid = || format!("invalid `{}`", path.display());
        let plan: Plan = toml::from_str(&text).with_context(invalid)?;
        let find = |id: &String| {
            let found = ALL.iter().copied().flatten().find(|check| check.id == id);
            found.with_context(|| {
                format!("there is no check `{id}`\nhelp: run `cargo run -p conformance -- --list`")
            })
        };
        let checks = plan.checks.iter().map(find).collect::<Result<_>>().with_context(invalid)?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let number = number_of(&name).to_owned();
        let exercise = Self { number, name, folder: folder.to_owned(), plan, checks };
        exercise.validate().with_context(invalid)?;
        Ok(exercise)
    }

    /// Checks the conditions that the types of the fields do not express.
    fn validate(&self) -> Result<()> {
        let plan = &self.plan;
        for placeholder in ["{file}", "{port}"] {
            let is_contained = plan.arguments.contains(placeholder);
            ensure!(is_contained, "`arguments` lacks the placeholder {placeholder}");
        }
        let diagnoses = plan.diagnoses.iter().map(|diagnosis| diagnosis.check.as_str());
        for name in diagnoses.chain([plan.starter.check.as_str()]) {
            let is_graded = self.graded_names().any(|graded| graded == name);
            ensure!(is_graded, "`{name}` is neither in `checks` nor a measurement");
        }
        for (index, Diagnosis { id, .. }) in plan.diagnoses.iter().enumerate() {
            let is_unique = plan.diagnoses[..index].iter().all(|other| other.id != *id);
            ensure!(is_unique, "two diagnoses have the id `{id}`");
        }
        for WrongAnswer { id, diagnosis, .. } in &plan.wrong_answers {
            let is_known = plan.diagnoses.iter().any(|known| known.id == *diagnosis)
                || plan.measures.iter().any(|measure| measure.name() == diagnosis);
            ensure!(is_known, "wrong answer `{id}`: there is no diagnosis `{diagnosis}`");
        }
        plan.measures.iter().try_for_each(MeasurePlan::validate)
    }

    /// The names of the checks, followed by the names of the measurements.
    pub fn graded_names(&self) -> impl Iterator<Item = &str> {
        let measures = self.plan.measures.iter().map(MeasurePlan::name);
        self.checks.iter().map(|check| check.id).chain(measures)
    }

    /// The name of the exercise's package, which is also the name of the learner's program.
    pub fn package(&self) -> String {
        format!("exercise-{}", self.number)
    }

    /// The name of the original starter's program, or `None` if no measurement needs the program.
    pub fn starter_program(&self) -> Option<String> {
        let compared = [MeasureKind::TimesStarter, MeasureKind::CpuPerClient];
        let is_needed = self.plan.measures.iter().any(|plan| compared.contains(&plan.what));
        is_needed.then(|| format!("starter-{}", self.number))
    }

    pub fn starter_file(&self) -> PathBuf {
        self.folder.join("starter/main.rs")
    }

    pub fn solution_file(&self) -> PathBuf {
        self.folder.join("solution/main.rs")
    }

    /// Reads the three hints. Fails if a hint is missing or empty.
    pub fn hints(&self) -> Result<Vec<Hint>> {
        let path = self.folder.join("hints.md");
        let text = fs::read_to_string(&path);
        let text = text.with_context(|| format!("cannot read `{}`", path.display()))?;
        let text = format!("\n{text}").replace("\r\n", "\n");
        let parts = text.split("\n## ").skip(1).filter_map(|part| part.split_once('\n'));
        let (headings, hints): (Vec<&str>, Vec<Hint>) =
            parts.map(|(heading, hint)| (heading.trim(), Hint::parse(hint))).unzip();
        ensure!(
            headings == ["1", "2", "3"],
            "`{}`: expected the headings 1, 2 and 3, got {headings:?}\nhelp: start each hint with \
             its heading: ## 1, ## 2, ## 3",
            path.display()
        );
        for (index, hint) in hints.iter().enumerate() {
            let number = index + 1;
            let is_empty = hint.text.is_empty() && hint.parts.is_empty();
            ensure!(!is_empty, "`{}`: hint {number} is empty", path.display());
            for name in hint.parts.iter().flat_map(|(names, _)| names) {
                let is_known = name == OTHER || self.graded_names().any(|graded| graded == name);
                ensure!(
                    is_known,
                    "`{}`: hint {number} has a part for `{name}`, which is neither in `checks` nor \
                     a measurement",
                    path.display()
                );
            }
        }
        Ok(hints)
    }
}

/// One hint.
#[derive(Debug)]
pub struct Hint {
    /// The text before the first part.
    text: String,
    /// The parts. Each part has the names of the checks or measurements whose failure it concerns.
    parts: Vec<(Vec<String>, String)>,
}

impl Hint {
    fn parse(source: &str) -> Self {
        let mut parts = source.split("\n### ");
        let text = parts.next().unwrap_or_default().trim().to_owned();
        let parts = parts.filter_map(|part| part.split_once('\n')).map(|(names, part)| {
            let names = names.split(',').map(|name| name.trim().to_owned());
            (names.collect(), part.trim().to_owned())
        });
        Self { text, parts: parts.collect() }
    }

    /// Returns the text of the hint for a learner whose last failure was the failure of the check
    /// or measurement `failed`.
    pub fn text_for(&self, failed: Option<&str>) -> String {
        let part_for =
            |name| self.parts.iter().find(|(names, _)| names.iter().any(|one| one == name));
        let part = failed.and_then(part_for).or_else(|| part_for(OTHER));
        let part = part.map(|(_, part)| part.as_str()).unwrap_or_default();
        format!("{}\n\n{part}", self.text).trim().to_owned()
    }
}

/// Returns the number in the name of an exercise's folder.
pub fn number_of(name: &str) -> &str {
    name.split_once('-').map_or(name, |(number, _)| number)
}
