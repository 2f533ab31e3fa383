//! Handles paths that start at the root of the repository. On every system, these paths have `/`
//! between their parts.

/// Returns the folder that contains a file. The root of the repository is `""`.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Returns the last part of a path.
pub fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Returns the text after the last dot in a file's name, or `""` if the name has no dot.
pub fn ending(path: &str) -> &str {
    name(path).rsplit_once('.').map_or("", |(_, ending)| ending)
}

/// Returns the path of a file in a folder.
pub fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Returns the path that a link leads to. `folder` contains the file with the link. Returns `None`
/// if the path is outside the repository.
pub fn resolve(folder: &str, link: &str) -> Option<String> {
    let folder = if link.starts_with('/') { "" } else { folder };
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Returns the relative link from the file `from` to the file `to`.
pub fn relative(from: &str, to: &str) -> String {
    let from: Vec<&str> = parent(from).split('/').filter(|part| !part.is_empty()).collect();
    let to: Vec<&str> = to.split('/').collect();
    let shared = from.iter().zip(&to[..to.len() - 1]).take_while(|(a, b)| a == b).count();
    let ups = vec![".."; from.len() - shared];
    ups.iter().chain(&to[shared..]).copied().collect::<Vec<_>>().join("/")
}

/// Returns the language of a code block that shows the file at `path`.
pub fn language(path: &str) -> &'static str {
    match ending(path) {
        "rs" => "rust",
        "mjs" | "js" => "js",
        "md" => "markdown",
        "py" => "python",
        "yml" => "yaml",
        "toml" => "toml",
        "json" => "json",
        "sh" => "sh",
        "css" => "css",
        "html" => "html",
        _ if name(path) == "justfile" => "just",
        _ => "text",
    }
}
