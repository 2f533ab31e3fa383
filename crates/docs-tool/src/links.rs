//! Links between pages: whether what they name is there.

use std::collections::HashMap;
use std::fs;

use crate::fault::{Fault, did_you_mean};
use crate::page::Page;
use crate::paths;
use crate::repo::Repo;

/// Looks links up, and remembers the headings of pages.
#[derive(Debug)]
pub struct Links<'a> {
    repo: &'a Repo,
    headings: HashMap<String, Vec<String>>,
}

impl<'a> Links<'a> {
    /// Within this repository.
    #[must_use]
    pub fn within(repo: &'a Repo) -> Self {
        Self { repo, headings: HashMap::new() }
    }

    /// The links of a page that lead nowhere. Those to other hosts are not followed.
    #[must_use]
    pub fn faults(&mut self, page: &Page) -> Vec<Fault> {
        let mut faults = Vec::new();
        for link in &page.links {
            if let Some((what, help)) = self.check(page, &link.target) {
                faults.push(Fault::new(page.file.as_str(), link.line, what, help));
            }
        }
        faults
    }

    /// Returns the error of a link and how to fix it, or `None` if the link is correct.
    fn check(&mut self, page: &Page, target: &str) -> Option<(String, String)> {
        let is_elsewhere = target.contains("://") || target.starts_with("mailto:");
        if is_elsewhere || target.is_empty() {
            return None;
        }
        let (path, heading) = match target.split_once('#') {
            Some((path, heading)) => (path, Some(heading)),
            None => (target, None),
        };
        let file = match path {
            "" => Some(page.file.clone()),
            path => paths::resolve(paths::parent(&page.file), &path.replace("%20", " ")),
        };
        let Some(file) = file else {
            let what = format!("the link `{target}` leads out of the repository");
            return Some((what, "link to what is in it, or to a whole address".to_owned()));
        };
        if file != page.file && !self.repo.path(&file).exists() {
            let what = format!("the link `{target}` leads nowhere: there is no {file}");
            return Some((what, self.nearest(page, &file)));
        }
        let heading = heading?;
        if !file.ends_with(".md") {
            // Lines of a file, as GitHub names them.
            let is_line = heading.starts_with('L') && heading[1..].starts_with(char::is_numeric);
            return (!is_line).then(|| {
                let what = format!("the link `{target}` names a place that {file} cannot have");
                (what, "leave out what follows `#`".to_owned())
            });
        }
        let own = &page.headings;
        let headings = if file == page.file { own } else { self.headings_of(&file) };
        if headings.iter().any(|known| known == heading) {
            return None;
        }
        let help = match did_you_mean(heading, headings.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `#{near}`?"),
            None => format!("its headings are {}", headings.join(", ")),
        };
        Some((format!("the link `{target}` names a heading that {file} does not have"), help))
    }

    fn headings_of(&mut self, file: &str) -> &Vec<String> {
        let repo = self.repo;
        self.headings
            .entry(file.to_owned())
            .or_insert_with(|| Page::new(file, repo.read(file).unwrap_or_default()).headings)
    }

    /// What may have been meant by a file that is not there.
    fn nearest(&self, page: &Page, file: &str) -> String {
        let (folder, name) = (paths::parent(file), paths::name(file));
        let entries = fs::read_dir(self.repo.path(folder)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let names: Vec<String> = names.collect();
        match did_you_mean(name, names.iter().map(String::as_str)) {
            Some(near) => {
                let near = paths::join(folder, near);
                format!("did you mean `{}`?", paths::relative(&page.file, &near))
            }
            None => "a link's path begins at its page's folder".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<Fault> {
        let repo = Repo::found();
        Links::within(&repo).faults(&Page::new("docs/a.md", text))
    }

    #[test]
    fn links_that_lead_somewhere_are_left_alone() {
        let text = "# Own\n\n[a](CONTRACT.md) [b](../README.md#the-four-servers) [c](#own) [d](https://x.y/z) \
                    [e](../crates) [f](../crates/serve-std/src/lib.rs#L12) <https://x.y>\n";
        assert_eq!(faults(text), []);
    }

    #[test]
    fn links_that_lead_nowhere_are_told() {
        let fault = |text: &str| {
            let faults = faults(text);
            assert_eq!(faults.len(), 1, "{faults:?}");
            let fault = &faults[0];
            (fault.line, format!("{}; {}", fault.what, fault.help))
        };
        let (line, words) = fault("# A\n\ntext [a](CONTRACTS.md)\n");
        assert!(line == 3 && words.ends_with("did you mean `CONTRACT.md`?"), "{words}");
        assert!(
            fault("[a](../README.md#the-four-server)\n")
                .1
                .ends_with("did you mean `#the-four-servers`?")
        );
        assert!(fault("[a](#nowhere)\n").1.contains("does not have"));
        assert!(fault("[a](../../x.md)\n").1.contains("out of the repository"));
        assert!(fault("[a](../justfile#x)\n").1.contains("cannot have"));
    }
}
