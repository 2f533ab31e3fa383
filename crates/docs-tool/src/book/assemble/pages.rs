//! Pages that no Markdown file makes: the siblings side by side, files, folders.

use std::collections::BTreeSet;

use super::{Assembler, Page, Quoting, listing_page};
use crate::anchors;
use crate::book::code::{self, Child};
use crate::book::repo::Kind;
use crate::book::siblings::{self, Part};
use crate::book::{exercises, mdbook};
use crate::paths;

/// The page of the siblings' whole files.
pub(super) const WHOLE_FILES: &str = "siblings/whole-files.md";

impl Assembler<'_> {
    pub(super) fn make_siblings(&mut self) {
        let texts: Vec<String> = siblings::SIBLINGS
            .iter()
            .filter_map(|(sibling, _)| self.repo.text(&siblings::file(sibling)).ok())
            .collect();
        if texts.len() < siblings::SIBLINGS.len() {
            return;
        }
        let mut rows = String::new();
        for anchor in siblings::anchors_of_all(&texts) {
            rows.push_str(&self.make_sibling_page(&anchor, &texts));
        }
        let parts = code::parts(|path| self.repo.text(path).ok());
        let text = format!(
            "# The whole files, side by side\n\n{}",
            siblings::side_by_side("whole files", &parts, |part| paths::relative(
                WHOLE_FILES,
                &self.place(&part.path)
            ))
        );
        self.insert(WHOLE_FILES, "The whole files", mdbook::not_printed(&text));
        let text = format!(
            "# Side by side\n\nThe four siblings have the same functions under the same names, in \
             the same order. Each page shows one part of all four.\n\n\
             | part | functions | explained in |\n| --- | --- | --- |\n{rows}\n\
             [The whole files](whole-files.md) are in one page, too.\n"
        );
        self.insert("siblings/index.md", "Side by side", text);
    }

    /// Makes the page of one anchor, and its row in the table of all.
    fn make_sibling_page(&mut self, anchor: &str, texts: &[String]) -> String {
        let place = sibling_page(anchor);
        let parts: Vec<Part> = siblings::SIBLINGS
            .iter()
            .zip(texts)
            .map(|((sibling, _), text)| {
                let code = anchors::quote(text, anchor).ok().map(|lines| lines.join("\n"));
                Part { sibling, path: siblings::file(sibling), code }
            })
            .collect();
        let mut functions: Vec<&str> = Vec::new();
        for name in
            parts.iter().filter_map(|part| part.code.as_deref()).flat_map(siblings::functions)
        {
            if !functions.contains(&name) {
                functions.push(name);
            }
        }
        let functions = functions.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
        let functions = functions.join(", ");
        let lessons = self.lessons(self.quotes.anchors.get(anchor), &place);
        let explained = match &*lessons {
            "" => String::new(),
            lessons => format!("Explained in {lessons}.\n\n"),
        };
        let named = if functions.is_empty() { String::new() } else { format!("{functions}.\n") };
        let link = |part: &Part| self.way_to_part(&place, part, anchor);
        let columns = siblings::side_by_side(anchor, &parts, link);
        let text = format!("# {anchor}, side by side\n\n{named}{explained}\n{columns}");
        self.insert(&place, anchor, text);
        let lessons = self.lessons(self.quotes.anchors.get(anchor), "siblings/index.md");
        format!("| [{anchor}]({anchor}.md) | {functions} | {lessons} |\n")
    }

    pub(super) fn make_code(&mut self) {
        for path in self.code.clone() {
            let Some(text) = self.text(&path) else { continue };
            let place = self.place(&path);
            let lessons = match &*self.lessons(self.quotes.files.get(&path), &place) {
                "" => String::new(),
                lessons => format!("Quoted in {lessons}.\n\n"),
            };
            let is_sibling =
                siblings::SIBLINGS.iter().any(|(name, _)| siblings::file(name) == path);
            let task = exercises::exercise_of(&path).map(|folder| {
                let task = self.place(&paths::join(folder, "README.md"));
                format!("[Back to the task]({})\n\n", paths::relative(&place, &task))
            });
            let above = task.unwrap_or_default() + &lessons;
            let ids = code::ids(&text);
            let made = code::page(&path, &text, &above, |anchor| {
                is_sibling.then(|| paths::relative(&place, &sibling_page(anchor)))
            });
            // Files are wider than prose, see docs/book/highwater.css.
            let made = format!("<div class=\"hw-file\">\n\n{made}\n</div>\n");
            let (title, text) = (paths::name(&path).to_owned(), mdbook::not_printed(&made));
            let page = Page { title, text, ids };
            self.pages.insert(place, page);
        }
    }

    /// The folders of all code: whole if a link leads there, otherwise with what the book has of it.
    pub(super) fn make_listings(&mut self) {
        let mut folders = self.folders.clone();
        for path in self.code.iter().chain(&self.folders) {
            let mut folder = path.as_str();
            while !folder.is_empty() {
                folder = paths::parent(folder);
                folders.insert(folder.to_owned());
            }
        }
        for folder in folders.iter().rev() {
            let place = listing_page(folder);
            let mut children = Vec::new();
            for child in self.repo.children(folder) {
                let target = match self.repo.kind(&child) {
                    Some(Kind::Folder) if folders.contains(&child) => listing_page(&child),
                    _ => self.place(&child),
                };
                if self.pages.contains_key(&target) || self.assets.contains(&target) {
                    let way = paths::relative(&place, &target);
                    children.push(Child { about: self.about(&child), path: child, way });
                }
            }
            let title = if folder.is_empty() { "All files" } else { paths::name(folder) };
            self.insert(&place, title, mdbook::not_printed(&code::listing(folder, &children)));
        }
    }

    /// What a file says of itself, or a package's folder in its manifest.
    fn about(&self, path: &str) -> Option<String> {
        let path = match self.repo.kind(path)? {
            Kind::Folder => paths::join(path, "Cargo.toml"),
            Kind::Code if paths::ending(path) == "rs" => path.to_owned(),
            _ => return None,
        };
        code::about(&self.repo.text(&path).ok()?)
    }

    /// The way from the page `place` to an anchor's part, or to its file if it has no such part.
    pub(super) fn way_to_part(&self, place: &str, part: &Part, anchor: &str) -> String {
        let way = paths::relative(place, &self.place(&part.path));
        if part.code.is_some() { format!("{way}#{anchor}") } else { way }
    }

    /// Links to those who quote something, from the page `place`.
    fn lessons(&self, quoting: Option<&BTreeSet<Quoting>>, place: &str) -> String {
        let links = quoting
            .into_iter()
            .flatten()
            .map(|Quoting { title, page }| format!("[{title}]({})", paths::relative(place, page)));
        links.collect::<Vec<_>>().join(", ")
    }
}

/// Where an anchor of the siblings has its page.
pub(super) fn sibling_page(anchor: &str) -> String {
    format!("siblings/{anchor}.md")
}
