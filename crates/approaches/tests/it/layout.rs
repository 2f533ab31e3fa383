//! Tests that read the files of the workspace and check its invariants (docs/ARCHITECTURE.md).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use libtest_mimic::Trial;
use serde_json::Value;

use crate::modules::{Modules, a_module_cycle_is_detected, cycle_of};

/// The functions of every sibling, in this order. A sibling may have further functions after these
/// functions. In [`WITHOUT_RUNTIME`], further functions may be between these functions.
const FUNCTIONS: [&str; 10] = [
    "run",
    "accept_loop",
    "handle_connection",
    "serve",
    "send_file",
    "send_copied",
    "write_bytes",
    "send_zero_copy",
    "drain",
    "linger",
];

/// The anchors of every sibling except [`WITHOUT_RUNTIME`], in this order. The lessons quote the
/// code between the anchors.
const ANCHORS: [&str; 8] =
    ["run", "accept", "serve", "send", "copy", "zero_copy", "drain", "linger"];

/// The maximum length of a sibling's `lib.rs`, without comments, blank lines and anchors.
const SIBLING_CODE_LINES_MAX: usize = 190;

/// The sibling without a runtime. Its functions are methods in several modules.
const WITHOUT_RUNTIME: &str = "serve-mio";

/// The modules of [`WITHOUT_RUNTIME`] with the functions of every sibling, in the order in which
/// these modules serve a connection.
const MODULES: [&str; 3] = ["lib", "event_loop", "state_machine"];

/// The maximum length of all modules of [`WITHOUT_RUNTIME`] together, without comments, blank lines
/// and anchors.
const WITHOUT_RUNTIME_CODE_LINES_MAX: usize = 600;

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;

/// Crates that are a runtime or part of a runtime, such as an executor, a reactor or a blocking
/// pool.
const RUNTIMES: [&str; 9] = [
    "async-executor",
    "async-global-executor",
    "async-io",
    "async-std",
    "blocking",
    "compio",
    "mio",
    "smol",
    "tokio",
];

pub fn trials() -> Vec<Trial> {
    let tests: [(&str, fn()); 9] = [
        ("only_the_table_depends_on_siblings", only_the_table_depends_on_siblings),
        ("core_depends_on_no_runtime", core_depends_on_no_runtime),
        ("crates_have_no_module_cycle", crates_have_no_module_cycle),
        ("a_module_cycle_is_detected", a_module_cycle_is_detected),
        ("files_are_short", files_are_short),
        ("siblings_have_the_same_functions", siblings_have_the_same_functions),
        ("siblings_have_the_same_anchors", siblings_have_the_same_anchors),
        ("siblings_are_short", siblings_are_short),
        ("functions_are_short", functions_are_short),
    ];
    tests
        .map(|(name, test)| {
            Trial::test(format!("layout::{name}"), move || {
                test();
                Ok(())
            })
        })
        .into()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

fn siblings() -> Vec<String> {
    approaches::ALL.iter().map(|approach| format!("serve-{}", approach.name)).collect()
}

/// Returns all siblings, including the siblings that are not built by default.
fn siblings_and_optional() -> Vec<String> {
    let mut siblings = siblings();
    siblings.push("serve-compio".to_owned());
    siblings
}

/// Returns the source code that contains the functions of a sibling.
fn source_of(sibling: &str) -> String {
    let modules = if sibling == WITHOUT_RUNTIME { &MODULES[..] } else { &["lib"] };
    let folder = root().join("crates").join(sibling).join("src");
    let file = |module: &&str| folder.join(module).with_extension("rs");
    modules.iter().map(|module| fs::read_to_string(file(module)).unwrap()).collect()
}

/// Returns the packages on which `package` depends on this platform, up to the depth `depth`. If
/// `depth` is `None`, indirect dependencies of any depth are included. Dependencies of tests are
/// not included.
fn dependencies(package: &str, depth: Option<&str>) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none"]);
    cargo.args(["--package", package]).args(depth.map(|depth| ["--depth", depth]).iter().flatten());
    let stdout = output_of(cargo);
    // The first line contains the package itself.
    let names = stdout.lines().skip(1).filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

/// Runs a command in the workspace, and returns the command's stdout.
fn output_of(mut command: Command) -> String {
    let output = command.current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the packages of the workspace, as `cargo metadata` describes them.
fn packages() -> Vec<Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--locked", "--offline", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&output_of(cargo)).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn only_the_table_depends_on_siblings() {
    for package in packages() {
        let package = package["name"].as_str().unwrap();
        let needed = dependencies(package, Some("1"));
        let named = siblings().iter().filter(|sibling| needed.contains(*sibling)).count();
        let expected = if package == "approaches" { siblings().len() } else { 0 };
        assert_eq!(
            named, expected,
            "number of siblings in the dependencies of `{package}`: {needed:?}"
        );
    }
}

fn core_depends_on_no_runtime() {
    let dependencies = dependencies("serve-core", None);
    assert!(dependencies.contains("parking"), "expected `parking`, got {dependencies:?}");
    for runtime in RUNTIMES {
        assert!(!dependencies.contains(runtime), "expected no dependency on `{runtime}`");
    }
}

fn crates_have_no_module_cycle() {
    for package in packages() {
        for target in package["targets"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let name = format!("{}::{}", text(&package["name"]), text(&target["name"]));
            let uses = Modules::read(Path::new(&text(&target["src_path"]))).uses();
            let cycles: Vec<String> =
                uses.keys().filter_map(|module| cycle_of(module, &uses)).collect();
            assert!(cycles.is_empty(), "{name}: expected no cycle, got {cycles:#?}");
        }
    }
}

/// Returns the name of the function that begins on this line, at any depth. Returns `None` if no
/// function begins on this line.
fn function_name(line: &str) -> Option<&str> {
    let words: Vec<&str> = line.trim_start().split(' ').collect();
    let at = words.iter().position(|&word| word == "fn")?;
    let before = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe"];
    words[..at].iter().all(|word| before.contains(word)).then_some(())?;
    words.get(at + 1)?.split(['(', '<']).next()
}

fn siblings_have_the_same_functions() {
    for sibling in siblings_and_optional() {
        let source = source_of(&sibling);
        let has_methods = sibling == WITHOUT_RUNTIME;
        let lines = source.lines().filter(|line| has_methods || !line.starts_with(' '));
        let mut functions: Vec<&str> = lines.filter_map(function_name).collect();
        if has_methods {
            functions.retain(|name| FUNCTIONS.contains(name));
            // The function `run` calls a method with the same name.
            functions.dedup();
        }
        assert!(
            functions.starts_with(&FUNCTIONS),
            "{sibling}: expected {FUNCTIONS:?} first, got {functions:?}"
        );
        let main = root().join("crates").join(&sibling).join("src/main.rs");
        let call = format!("serve_core::main(&{}::APPROACH)", sibling.replace('-', "_"));
        let main = fs::read_to_string(main).unwrap();
        let code: Vec<&str> =
            main.lines().filter(|line| !line.is_empty() && !line.starts_with("//")).collect();
        let expected = ["fn main() -> std::process::ExitCode {", &format!("    {call}"), "}"];
        assert_eq!(code, expected, "{sibling}");
    }
}

fn siblings_have_the_same_anchors() {
    for sibling in siblings().into_iter().filter(|sibling| sibling != WITHOUT_RUNTIME) {
        let source = source_of(&sibling);
        let marked = |mark: &str| -> Vec<String> {
            let marks = source.lines().filter_map(|line| line.strip_prefix(mark));
            marks.map(str::to_owned).collect()
        };
        let (begun, ended) = (marked("// ANCHOR: "), marked("// ANCHOR_END: "));
        assert_eq!(begun, ended, "{sibling}");
        assert_eq!(begun[..ANCHORS.len()], ANCHORS, "{sibling}");
    }
}

fn siblings_are_short() {
    for sibling in siblings_and_optional() {
        let (source, max) = match sibling == WITHOUT_RUNTIME {
            true => {
                let folder = root().join("crates").join(&sibling).join("src");
                let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
                let files = files.filter(|file| file.is_file());
                let source = files.map(|file| fs::read_to_string(file).unwrap()).collect();
                (source, WITHOUT_RUNTIME_CODE_LINES_MAX)
            }
            false => (source_of(&sibling), SIBLING_CODE_LINES_MAX),
        };
        let lines = source.lines().map(str::trim);
        let code_lines = lines.filter(|line| !line.is_empty() && !line.starts_with("//")).count();
        assert!(
            code_lines <= max,
            "{sibling}: expected at most {max} lines of code, got {code_lines}"
        );
    }
}

/// Returns all Rust files of the repository.
fn rust_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") && !path.join("CACHEDIR.TAG").exists() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

fn files_are_short() {
    for file in rust_files() {
        let relative = file.strip_prefix(root()).unwrap();
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        let place = relative.display();
        assert!(
            lines <= FILE_LINES_MAX,
            "{place}: expected at most {FILE_LINES_MAX} lines, got {lines}"
        );
    }
}

fn functions_are_short() {
    let files = rust_files();
    let mut functions = 0;
    for file in &files {
        let source = fs::read_to_string(file).unwrap();
        let lines: Vec<&str> = source.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(name) = function_name(line) else { continue };
            if line.ends_with(['}', ';']) {
                continue;
            }
            // rustfmt indents the last line of a function like its first line.
            let indent = &line[..line.len() - line.trim_start().len()];
            let is_end = |line: &&str| *line == format!("{indent}}}");
            let below = lines[at..].iter().position(is_end).unwrap_or(0);
            functions += 1;
            let place = format!("{}:{}", file.display(), at + 1);
            assert!(
                below < FUNCTION_LINES_MAX,
                "{place}: expected at most {FUNCTION_LINES_MAX} lines in `{name}`, got {}",
                below + 1
            );
        }
    }
    let file_count = files.len();
    assert!(functions > 100, "expected over 100 functions in {file_count} files, got {functions}");
}
