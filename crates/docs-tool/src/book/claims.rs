//! What backs a claim, (check `half-close`) or (test `a`), as a link to the code of it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::repo::Repo;

static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    // The contract names its tests at a clause's end.
    let in_brackets = r"\((?:checks?|tests?)\s+`[^)]*\)";
    Regex::new(&format!(r"{in_brackets}|\*Tests?:\*(?:.+\n)+")).expect("it is well-formed")
});
static NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"`([^`]+)`").expect("the expression is well-formed"));
static CHECK: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"\bid: "([a-z0-9-]+)""#).expect("it is well-formed"));
static FUNCTION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\bfn (\w+)").expect("the expression is well-formed"));

/// Where checks and tests are: by name, the file and the words that stand there.
#[derive(Default)]
pub struct Claims(BTreeMap<String, (String, String)>);

/// A name in a text that is backed by code.
pub struct Claim<'a> {
    /// Where it is written, its backticks included.
    pub range: Range<usize>,
    pub name: &'a str,
    /// The file that backs it.
    pub file: &'a str,
    /// What follows `#` to be shown the words in it.
    pub fragment: String,
}

impl Claims {
    pub fn of(repo: &Repo) -> Self {
        let mut known = BTreeMap::new();
        let mut learn = |file: &str, names: &Regex| {
            let text = repo.read(file).unwrap_or_default();
            for found in names.captures_iter(&text) {
                let place = (file.to_owned(), found[0].to_owned());
                known.entry(found[1].to_owned()).or_insert(place);
            }
        };
        for file in repo.files_below("crates/conformance/src/checks", &[".rs"]) {
            learn(&file, &CHECK);
        }
        for folder in ["crates", "benches/tests", "benches/src"] {
            for file in repo.files_below(folder, &[".rs"]) {
                // Tests of their own first: what they call has often the same name.
                if file.contains("/tests/") {
                    learn(&file, &FUNCTION);
                }
            }
            for file in repo.files_below(folder, &[".rs"]) {
                learn(&file, &FUNCTION);
            }
        }
        Self(known)
    }

    /// The names that a text refers to, in prose that has nothing but prose in it.
    pub fn in_prose<'a>(&'a self, prose: &'a str) -> Vec<Claim<'a>> {
        let references = REFERENCE.find_iter(prose);
        let names = references.flat_map(|reference| {
            let names = NAME.captures_iter(reference.as_str());
            names.filter_map(move |found| {
                let (whole, name) = (found.get(0)?, found.get(1)?);
                let range = reference.start() + whole.start()..reference.start() + whole.end();
                let (file, words) = self.0.get(name.as_str().rsplit("::").next()?)?;
                let fragment = format!(":~:text={}", encoded(words));
                Some(Claim { range, name: name.as_str(), file, fragment })
            })
        });
        names.collect()
    }
}

/// As a text fragment wants its words: `-`, `,` and `&` have a meaning there.
fn encoded(words: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    let bytes = words.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    bytes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_lead_to_their_code() {
        let place = |file: &str, words: &str| (file.to_owned(), words.to_owned());
        let claims = Claims(BTreeMap::from([
            ("half-close".to_owned(), place("a.rs", "id: \"half-close\"")),
            ("reads_on".to_owned(), place("b.rs", "fn reads_on")),
        ]));
        let prose = "So it is (checks `half-close`, `other`), `half-close` (test `it::reads_on`).\n\n\
                     *Tests:* every one, `it`,\n`reads_on`.\n\n`reads_on`\n";
        let found = claims.in_prose(prose);
        let actual: Vec<_> = found.iter().map(|claim| (claim.name, claim.file)).collect();
        let expected = [("half-close", "a.rs"), ("it::reads_on", "b.rs"), ("reads_on", "b.rs")];
        assert_eq!(actual, expected);
        assert_eq!(&prose[found[0].range.clone()], "`half-close`");
        assert_eq!(found[0].fragment, ":~:text=id:%20%22half%2Dclose%22");
    }
}
