//! Paths with `/`, from the repository's root, whatever the system.

/// The folder that a file is in; `""` is the root.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The last part of a path.
pub fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// What follows the last dot of a path's last part.
pub fn ending(path: &str) -> &str {
    name(path).rsplit_once('.').map_or("", |(_, ending)| ending)
}

/// `folder` and `name` in one.
pub fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Where `link`, written in a file of `folder`, leads to; none if that is outside of the root.
pub fn resolve(folder: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = if link.starts_with('/') {
        Vec::new()
    } else {
        folder.split('/').filter(|part| !part.is_empty()).collect()
    };
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The way from the file `from` to the file `to`.
pub fn relative(from: &str, to: &str) -> String {
    let from: Vec<&str> = parent(from).split('/').filter(|part| !part.is_empty()).collect();
    let to: Vec<&str> = to.split('/').collect();
    let shared = from.iter().zip(&to[..to.len() - 1]).take_while(|(a, b)| a == b).count();
    let ups = vec![".."; from.len() - shared];
    ups.iter().chain(&to[shared..]).copied().collect::<Vec<_>>().join("/")
}

/// The language of a fence that shows this file.
pub fn language(path: &str) -> &'static str {
    match ending(path) {
        "rs" => "rust",
        "mjs" | "js" => "js",
        "toml" => "toml",
        "json" => "json",
        "md" => "markdown",
        "sh" => "sh",
        "py" => "python",
        "css" => "css",
        "html" => "html",
        "yml" | "yaml" => "yaml",
        _ if name(path) == "justfile" => "just",
        _ => "text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_within_the_root_only() {
        assert_eq!(resolve("lessons", "../docs/./X.md").as_deref(), Some("docs/X.md"));
        assert_eq!(resolve("", "README.md").as_deref(), Some("README.md"));
        assert_eq!(resolve("lessons", "..").as_deref(), Some(""));
        assert_eq!(resolve("lessons", "../../other"), None);
    }

    #[test]
    fn relative_ways_lead_back() {
        assert_eq!(relative("a/b/c.md", "a/d.md"), "../d.md");
        assert_eq!(relative("index.md", "a/d.md"), "a/d.md");
        assert_eq!(relative("a/b.md", "a/b.md"), "b.md");
        assert_eq!(relative("a/b/c.md", "x.md"), "../../x.md");
        assert_eq!(relative("lessons/a.md", "lessons/s/b.rs"), "s/b.rs");
    }
}
