//! One of the three hints for an exercise, which `hints.md` contains.

/// The heading of the part of a hint for all failures without a part.
pub const OTHER: &str = "other";

/// One hint.
#[derive(Debug)]
pub struct Hint {
    /// The text before the first part.
    pub text: String,
    /// The parts. Each part has the names of the checks or measurements whose failure it concerns.
    pub parts: Vec<(Vec<String>, String)>,
}

impl Hint {
    /// Reads a hint from the text below its heading.
    pub fn parse(source: &str) -> Self {
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
