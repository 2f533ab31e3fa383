//! Reads the source files of a crate, and finds the modules that each module uses.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// The names of a module and of the modules that contain it. The root module has no name.
type ModulePath = Vec<String>;

/// The modules of a crate that are in separate files.
#[derive(Default)]
pub struct Modules {
    contents: BTreeMap<ModulePath, Vec<TokenTree>>,
}

impl Modules {
    /// Reads the crate whose root module is in the file `root`. Modules named `tests` are not
    /// included.
    pub fn read(root: &Path) -> Self {
        let mut modules = Self::default();
        modules.add(Vec::new(), root, root.parent().unwrap());
        modules
    }

    /// Adds a module and the modules that it declares. The files of the declared modules are in the
    /// folder `children`.
    fn add(&mut self, module: ModulePath, file: &Path, children: &Path) {
        let tokens: TokenStream = fs::read_to_string(file).unwrap().parse().unwrap();
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for window in tokens.windows(3) {
            let [TokenTree::Ident(keyword), TokenTree::Ident(name), end] = window else { continue };
            let name = name.to_string();
            if keyword == "mod" && is_punct(Some(end), ';') && name != "tests" {
                let folder = children.join(&name);
                let candidates = [folder.with_extension("rs"), folder.join("mod.rs")];
                let file = candidates.iter().find(|file| file.exists());
                let file = file.unwrap_or_else(|| panic!("expected the file {:?}", candidates[0]));
                self.add([module.clone(), vec![name]].concat(), file, &folder);
            }
        }
        self.contents.insert(module, tokens);
    }

    /// Returns each module and the modules that it uses. If a module uses one of its parent
    /// modules, the parent is not included, because a child module is part of its parent.
    pub fn uses(&self) -> Uses {
        let uses = self.contents.iter().map(|(module, tokens)| {
            let mut used = BTreeSet::new();
            self.find_uses(tokens, module, &mut used);
            used.retain(|used| !module.starts_with(used));
            (display(module), used.iter().map(display).collect())
        });
        uses.collect()
    }

    /// Finds the modules of this crate to which the paths in a module refer.
    fn find_uses(&self, tokens: &[TokenTree], here: &ModulePath, used: &mut BTreeSet<ModulePath>) {
        let mut at = 0;
        while at < tokens.len() {
            at += match &tokens[at..] {
                [TokenTree::Ident(keyword), TokenTree::Ident(name), TokenTree::Group(body), ..]
                    if keyword == "mod" =>
                {
                    // In a module that is declared with braces, `super` is the module of the file.
                    let inside = [here.clone(), vec![name.to_string()]].concat();
                    if name != "tests" {
                        self.find_uses(&content(body), &inside, used);
                    }
                    3
                }
                [TokenTree::Ident(_), ..] => {
                    let (paths, length) = read_paths(&tokens[at..], &[]);
                    used.extend(paths.iter().filter_map(|path| self.resolve(path, here)));
                    length
                }
                [TokenTree::Group(group), ..] => {
                    self.find_uses(&content(group), here, used);
                    1
                }
                _ => 1,
            };
        }
    }

    /// Returns the module to which a path in the module `here` refers. Returns `None` if the path
    /// refers to another crate or consists of a single name.
    fn resolve(&self, path: &[String], here: &ModulePath) -> Option<ModulePath> {
        let [first, _, ..] = path else { return None };
        let is_child = self.contents.contains_key(&[here.as_slice(), &path[..1]].concat());
        if !is_child && !["crate", "self", "super"].contains(&first.as_str()) {
            return None;
        }
        let mut module = here.clone();
        for name in path {
            match name.as_str() {
                "crate" => module.clear(),
                "self" => {}
                "super" => drop(module.pop()),
                _ => module.push(name.clone()),
            }
        }
        // The last names in the path may be items, or modules that are declared with braces.
        while !self.contents.contains_key(&module) {
            module.pop();
        }
        Some(module)
    }
}

/// A map from the name of each module to the names of the modules that it uses.
pub type Uses = BTreeMap<String, BTreeSet<String>>;

/// Returns a shortest cycle that begins and ends with `module`, in the form `a -> b -> a`. Returns
/// `None` if the module is not part of a cycle.
pub fn cycle_of(module: &str, uses: &Uses) -> Option<String> {
    let mut paths = VecDeque::from([vec![module]]);
    let mut seen = BTreeSet::new();
    while let Some(path) = paths.pop_front() {
        for used in &uses[path[path.len() - 1]] {
            let longer = [path.as_slice(), &[used]].concat();
            if used == module {
                return Some(longer.join(" -> "));
            }
            if seen.insert(used) {
                paths.push_back(longer);
            }
        }
    }
    None
}

fn display(module: &ModulePath) -> String {
    module.iter().fold("crate".to_owned(), |path, name| format!("{path}::{name}"))
}

fn content(group: &Group) -> Vec<TokenTree> {
    group.stream().into_iter().collect()
}

fn is_punct(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

/// Reads the paths at the beginning of `tokens`, and adds `before` to the beginning of each path.
/// Returns the paths, and the number of tokens that the paths occupy. Braces contain several paths,
/// as in `use crate::{a, b::c}`.
fn read_paths(tokens: &[TokenTree], before: &[String]) -> (Vec<Vec<String>>, usize) {
    let mut path = before.to_vec();
    let mut at = 0;
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(name)) => path.push(name.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let content = content(group);
                let parts = content.split(|token| is_punct(Some(token), ','));
                return (parts.flat_map(|part| read_paths(part, &path).0).collect(), at + 1);
            }
            _ => return (vec![path], at),
        }
        at += 1;
        if !is_punct(tokens.get(at), ':') || !is_punct(tokens.get(at + 1), ':') {
            return (vec![path], at);
        }
        at += 2;
    }
}

/// Tests that a cycle is detected in a crate whose modules use each other in different ways.
pub fn a_module_cycle_is_detected() {
    let files = [
        ("lib.rs", "mod a; mod b; pub use a::A; fn f() -> B { b::new() }"),
        ("a.rs", "mod c; /* crate::b */ #[cfg(test)] mod tests { use crate::b; }"),
        ("a/c.rs", "use std::{io, fs}; use super::super::{b::{self, B},};"),
        ("b.rs", "mod d; mod inside { use super::f; use crate::{a::c::C, b::d::D}; }"),
        ("b/d.rs", "use super::B; fn f() { if let [x] = crate::a::c::G {} }"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (file, content) in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let uses = Modules::read(&folder.path().join("lib.rs")).uses();
    let uses_of = |module: &str| uses[module].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(uses_of("crate"), ["crate::a", "crate::b"]);
    assert_eq!(uses_of("crate::a"), [""; 0]);
    assert_eq!(uses_of("crate::a::c"), ["crate::b"]);
    assert_eq!(uses_of("crate::b"), ["crate::a::c", "crate::b::d"]);
    assert_eq!(uses_of("crate::b::d"), ["crate::a::c"]);
    assert_eq!(cycle_of("crate::b", &uses).unwrap(), "crate::b -> crate::a::c -> crate::b");
    assert_eq!(cycle_of("crate", &uses), None);
}
