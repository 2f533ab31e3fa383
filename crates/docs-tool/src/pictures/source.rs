//! Parses the source of a picture.

/// The text from which a picture is drawn.
#[derive(Debug)]
pub struct Source {
    /// The path from the root of the repository to the source.
    pub path: String,
    /// The name of the picture.
    pub name: String,
    pub text: String,
}

/// A line `WORDS: TEXT` of a source.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    pub number: usize,
    pub words: &'a str,
    pub text: &'a str,
}

impl Source {
    /// Returns the path of the picture.
    pub fn picture(&self) -> String {
        let ending = self.path.rfind('.').unwrap_or(self.path.len());
        format!("{}.svg", &self.path[..ending])
    }

    /// Returns all lines except for empty lines and comments. A comment starts with `#`.
    pub fn lines(&self) -> Result<Vec<Line<'_>>, String> {
        let lines = self.text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let parsed = lines.map(|(number, line)| {
            let (words, text) = line.split_once(':').ok_or_else(|| {
                self.error(number, "the line has no colon", "write `WORDS: TEXT`")
            })?;
            Ok(Line { number, words: words.trim(), text: text.trim() })
        });
        parsed.collect()
    }

    /// Returns the text of the line with these words.
    pub fn required(&self, words: &str) -> Result<&str, String> {
        let line = self.lines()?.into_iter().find(|line| line.words == words);
        let error = || self.error(1, &format!("there is no line `{words}:`"), "add the line");
        line.map(|line| line.text).ok_or_else(error)
    }

    /// Returns the message of an error in a line of this source.
    pub fn error(&self, line: usize, what: &str, help: &str) -> String {
        format!("{}:{line}: {what}; help: {help}", self.path)
    }
}
