//! A picture's source, line by line, and how its mistakes are told.

/// The text that a picture is drawn from.
#[derive(Debug)]
pub struct Source {
    /// Where it is in the repository.
    pub path: String,
    /// The picture's name.
    pub name: String,
    pub text: String,
}

/// A line `WORDS: TEXT` of a source.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    pub number: usize,
    /// What comes before the colon.
    pub words: &'a str,
    /// What comes after it.
    pub text: &'a str,
}

impl Source {
    /// Returns the path of the picture.
    pub fn picture(&self) -> String {
        let folder = self.path.strip_suffix(self.path.rsplit('/').next().unwrap_or_default());
        format!("{}{}.svg", folder.unwrap_or_default(), self.name)
    }

    /// The kind of picture, and its title: the first line.
    pub fn kind(&self) -> Result<(&str, &str), String> {
        match self.lines()?.first() {
            Some(line) => Ok((line.words, line.text)),
            None => Err(self.error(1, "nothing is here", "begin with `sequence: TITLE`")),
        }
    }

    /// All lines but empty ones and those that begin with `#`.
    pub fn lines(&self) -> Result<Vec<Line<'_>>, String> {
        let mut lines = Vec::new();
        for (at, line) in self.text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = at + 1;
            let (words, text) = line.split_once(':').ok_or_else(|| {
                self.error(number, "there is no colon", "every line is `WORDS: TEXT`")
            })?;
            lines.push(Line { number, words: words.trim(), text: text.trim() });
        }
        Ok(lines)
    }

    /// The text of the line with these words.
    pub fn needed<'a>(&'a self, words: &str, example: &str) -> Result<Line<'a>, String> {
        let found = self.lines()?.into_iter().find(|line| line.words == words);
        found.ok_or_else(|| {
            self.error(1, &format!("there is no line `{words}:`"), &format!("add `{example}`"))
        })
    }

    /// Returns an error message of the form `file:line: description; help: how to fix it`.
    pub fn error(&self, number: usize, what: &str, help: &str) -> String {
        format!("{}:{number}: {what}; help: {help}", self.path)
    }

    #[cfg(test)]
    pub fn of(text: &str) -> Self {
        Self { path: "a.txt".to_owned(), name: "a".to_owned(), text: text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_words_and_text() {
        let source = Source::of("diagram: A: b\n\n# no\nbox a 1 1: c\n");
        assert_eq!(source.kind(), Ok(("diagram", "A: b")));
        let lines = source.lines().unwrap();
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[1].number, lines[1].words, lines[1].text), (4, "box a 1 1", "c"));
    }

    #[test]
    fn what_is_missing_is_told() {
        let said = Source::of("diagram: A\nbox\n").lines().unwrap_err();
        assert_eq!(said, "a.txt:2: there is no colon; help: every line is `WORDS: TEXT`");
        assert!(Source::of("").kind().is_err());
        let said = Source::of("diagram: A\n").needed("columns", "columns: 2").unwrap_err();
        assert_eq!(said, "a.txt:1: there is no line `columns:`; help: add `columns: 2`");
    }
}
