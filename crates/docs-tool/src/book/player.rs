//! Adds the player of traces to the book. The player replaces each picture of a trace with a view
//! that the reader can pause and zoom.
//!
//! The book must also work from a folder on a disk. There, browsers load neither modules nor data.
//! Therefore, the player and each trace become ordinary scripts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use crate::common::pattern;
use crate::page_error::PageError;
use crate::paths;
use crate::pictures;
use crate::repo::Repo;

/// The module that draws a trace.
const PLAYER: &str = "crates/flow/page/player.js";
/// The style sheet of the player.
const STYLE: &str = "crates/flow/page/flow.css";
/// The path of the bundled modules in the book. `highwater.js` loads this script.
const BUNDLE: &str = "flow-player.js";
const STYLE_IN_BOOK: &str = "flow-player.css";

static IMPORT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?m)^import \{[^}]*\} from '\./([^']+)';\n"));
static REEXPORT: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^export \{[^}]*\};\n"));
static EXPORT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?m)^export ((?:async )?function|class|const|let) (\w+)"));

/// Returns the path of the trace from which a picture is drawn, or `None` for another file.
pub fn trace_of(picture: &str) -> Option<String> {
    let is_trace = picture.starts_with(pictures::FOLDER)
        && paths::name(picture).starts_with(pictures::TRACE_PREFIX);
    Some(format!("{}.jsonl", picture.strip_suffix(".svg").filter(|_| is_trace)?))
}

/// Adds the scripts for these traces to the files of the book.
pub fn add(
    repo: &Repo,
    traces: &BTreeSet<String>,
    files: &mut BTreeMap<String, Vec<u8>>,
) -> Result<(), PageError> {
    if traces.is_empty() {
        return Ok(());
    }
    let unreadable = |path: &str, what: String| {
        PageError::new(path, 1, what, "see the comment in `crates/docs-tool/src/book/player.rs`")
    };
    files.insert(BUNDLE.into(), bundle(repo).map_err(|it| unreadable(PLAYER, it))?.into_bytes());
    let style = repo.read(STYLE).map_err(|it| unreadable(STYLE, it))?;
    files.insert(STYLE_IN_BOOK.into(), style.into_bytes());
    for path in traces {
        let trace = repo.read(path).map_err(|it| unreadable(path, it))?;
        let script =
            format!("document.currentScript.flowTrace = {};\n", serde_json::Value::String(trace));
        files.insert(path.replace(".jsonl", ".js"), script.into_bytes());
    }
    Ok(())
}

/// Returns one script with the player and the modules that it imports. The script defines the
/// object `flowPlayer`, which contains the exports of the player. All modules share one scope, so
/// two modules must not declare the same name at the top level.
fn bundle(repo: &Repo) -> Result<String, String> {
    let mut modules = Vec::new();
    add_module(repo, PLAYER, &mut modules)?;
    let player = repo.read(PLAYER)?;
    let exports: Vec<&str> =
        EXPORT.captures_iter(&player).filter_map(|it| Some(it.get(2)?.as_str())).collect();
    let code: String = modules.into_iter().map(|(_, code)| code).collect();
    let exports = exports.join(", ");
    Ok(format!(
        "(() => {{\n'use strict';\n{code}globalThis.flowPlayer = {{ {exports} }};\n}})();\n"
    ))
}

/// Adds a module after the modules that it imports.
fn add_module(repo: &Repo, path: &str, modules: &mut Vec<(String, String)>) -> Result<(), String> {
    if modules.iter().any(|(known, _)| known == path) {
        return Ok(());
    }
    let text = repo.read(path)?;
    for import in IMPORT.captures_iter(&text) {
        add_module(repo, &paths::join(paths::parent(path), &import[1]), modules)?;
    }
    let code = REEXPORT.replace_all(&text, "");
    let code = IMPORT.replace_all(&code, "");
    let code = EXPORT.replace_all(&code, "$1 $2").into_owned();
    let is_unknown = |line: &&str| line.starts_with("import ") || line.starts_with("export ");
    match code.lines().find(is_unknown) {
        Some(line) => Err(format!("`{path}` has an unknown kind of import or export: `{line}`")),
        None => {
            modules.push((path.to_owned(), code));
            Ok(())
        }
    }
}
