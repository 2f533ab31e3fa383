//! Checks whether the targets of the links in pages exist.

use std::collections::HashMap;

use crate::markers::Error;
use crate::page::Page;
use crate::page_error::{PageError, did_you_mean};
use crate::paths;
use crate::repo::Repo;

/// Checks links. Caches the fragments of the pages that links lead to.
#[derive(Debug)]
pub struct Links<'a> {
    repo: &'a Repo,
    fragments: HashMap<String, Vec<String>>,
}

/// Returns the path of the file that a link leads to, and the fragment of the link. The path is
/// empty if the file is outside the repository. Returns `None` if the link leads to another host.
pub fn resolve<'a>(page: &Page, target: &'a str) -> Option<(String, &'a str)> {
    if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
    let file = match path {
        "" => page.file.clone(),
        path => {
            let path = path.replace("%20", " ");
            paths::resolve(paths::parent(&page.file), &path).unwrap_or_default()
        }
    };
    Some((file, fragment))
}

/// Returns whether a fragment names a line of a file, such as `L3` on GitHub.
pub fn is_line(fragment: &str) -> bool {
    fragment.strip_prefix('L').is_some_and(|rest| rest.starts_with(char::is_numeric))
}

impl<'a> Links<'a> {
    pub fn of(repo: &'a Repo) -> Self {
        Self { repo, fragments: HashMap::new() }
    }

    /// Returns the errors in the links of a page. Does not check links to other hosts.
    pub fn errors(&mut self, page: &Page) -> Vec<PageError> {
        let mut errors = Vec::new();
        for link in &page.links {
            if let Err((what, help)) = self.check(page, &link.target) {
                let line = page.line_at(link.range.start);
                errors.push(PageError::new(page.file.as_str(), line, what, help));
            }
        }
        errors
    }

    fn check(&mut self, page: &Page, target: &str) -> Result<(), Error> {
        let Some((file, fragment)) = resolve(page, target) else { return Ok(()) };
        if file.is_empty() {
            let what = format!("the link `{target}` leads to a file outside the repository");
            return Err((what, "link to a file in the repository, or write a URL".to_owned()));
        }
        if file != page.file && !self.repo.path(&file).exists() {
            let what = format!("the link `{target}` is broken: there is no `{file}`");
            return Err((what, self.nearest(page, &file)));
        }
        if fragment.is_empty() || is_line(fragment) && !file.ends_with(".md") {
            return Ok(());
        }
        if !file.ends_with(".md") {
            let what = format!("the link `{target}` has a fragment, but `{file}` is not a page");
            return Err((what, "remove the fragment".to_owned()));
        }
        let fragments = match file == page.file {
            true => &page.fragments,
            false => self.fragments.entry(file.clone()).or_insert_with_key(|file| {
                Page::new(file.as_str(), self.repo.read(file).unwrap_or_default()).fragments
            }),
        };
        if fragments.iter().any(|known| known == fragment) {
            return Ok(());
        }
        let help = match did_you_mean(fragment, fragments.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `#{near}`?"),
            None => format!("use one of {}", fragments.join(", ")),
        };
        Err((format!("the link `{target}` names a heading that `{file}` does not have"), help))
    }

    fn nearest(&self, page: &Page, file: &str) -> String {
        let siblings = self.repo.children(paths::parent(file));
        match did_you_mean(file, siblings.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{}`?", paths::relative(&page.file, near)),
            None => "write a path that is relative to the folder of the page".to_owned(),
        }
    }
}
