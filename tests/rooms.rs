//! The architecture: which room of `src` may use which. A room is a file or a folder directly below `src`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the top down. A room uses only rooms below it.
const ROOMS: [&str; 10] =
    ["main", "answer", "page", "site", "options", "engine", "modes", "instrument", "http", "platform"];

/// The source of each module, without comments, by its path such as `engine::table`.
fn modules() -> BTreeMap<String, String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules = BTreeMap::new();
    let mut folders = vec![src.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                modules.insert(module_name(&path, &src), source_without_comments(&path));
            }
        }
    }
    modules
}

fn module_name(path: &Path, src: &Path) -> String {
    let inside: PathBuf = path.strip_prefix(src).unwrap().with_extension("");
    let parts: Vec<_> = inside.iter().map(|part| part.to_str().unwrap()).collect();
    parts.join("::").trim_end_matches("::mod").to_owned()
}

fn source_without_comments(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.collect::<Vec<_>>().join("\n")
}

fn room(module: &str) -> &str {
    module.split("::").next().unwrap_or(module)
}

/// The paths that follow `start` in a source; a group in braces counts once for each of its names.
fn paths_after<'a>(source: &'a str, start: &str) -> Vec<Vec<&'a str>> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let names = |text: &'a str| text.split("::").map(move |part| part.split(|c| !is_name(c)).next().unwrap());
    let mut paths = Vec::new();
    for (at, _) in source.match_indices(start) {
        let is_inside_a_name = source[..at].ends_with(|c: char| is_name(c) || c == ':');
        let rest = &source[at + start.len()..];
        match rest.strip_prefix('{') {
            _ if is_inside_a_name => {}
            Some(group) => {
                let group = group.split('}').next().unwrap();
                paths.extend(group.split(',').map(|path| names(path.trim()).collect()));
            }
            None => {
                let path = rest.split(|c| !is_name(c) && c != ':').next().unwrap();
                paths.push(names(path).collect());
            }
        }
    }
    paths
}

/// The modules that a module uses.
fn uses(module: &str, source: &str, modules: &BTreeMap<String, String>) -> BTreeSet<String> {
    let parent = if modules.keys().any(|other| other.starts_with(&format!("{module}::"))) {
        module
    } else {
        module.rsplit_once("::").map_or("", |(parent, _)| parent)
    };
    let outer = parent.rsplit_once("::").map_or("", |(outer, _)| outer);
    let is_folder = parent == module;
    let absolute = paths_after(source, "crate::").into_iter().map(|path| path.join("::"));
    let relative = paths_after(source, "super::").into_iter().map(|path| {
        let base = if is_folder { outer } else { parent };
        [&[base], path.as_slice()].concat().join("::")
    });
    let longest = |path: String| {
        let path = path.trim_matches(':').to_owned();
        let fits = |other: &&String| path == **other || path.starts_with(&format!("{other}::"));
        modules.keys().filter(fits).max_by_key(|other| other.len()).cloned()
    };
    absolute.chain(relative).filter_map(longest).filter(|other| other != module).collect()
}

/// Test code may look at everything; it is in files of its own, or at the end of a file.
fn without_tests(modules: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let product = |source: String| source.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
    modules
        .into_iter()
        .filter(|(module, _)| !module.ends_with("tests"))
        .map(|(module, source)| (module, product(source)))
        .collect()
}

#[test]
fn rooms_use_only_what_is_below_them() {
    let modules = without_tests(modules());
    let floor = |module: &str| ROOMS.iter().position(|&name| name == room(module));
    let mut arrows = 0;
    for (module, source) in &modules {
        let from = floor(module).unwrap_or_else(|| panic!("{module}: a room that is not in ROOMS"));
        for used in uses(module, source, &modules) {
            let to = floor(&used).unwrap();
            assert!(from <= to, "{module} uses {used}, which is above it");
            arrows += 1;
        }
    }
    assert!(arrows > 100, "only {arrows} uses were found, so this test reads the sources wrongly");
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let modules = without_tests(modules());
    // A folder's mod.rs declares its files; that its files use what it defines is no circle.
    let edges: BTreeMap<_, _> = modules
        .iter()
        .map(|(module, source)| {
            let is_own = |used: &String| module.starts_with(&format!("{used}::"));
            let used: BTreeSet<_> = uses(module, source, &modules).into_iter().filter(|u| !is_own(u)).collect();
            (module.clone(), used)
        })
        .collect();
    let mut left: BTreeSet<_> = edges.keys().cloned().collect();
    // What uses nothing that is left is on no circle.
    while let Some(free) = left.iter().find(|module| edges[*module].is_disjoint(&left)).cloned() {
        left.remove(&free);
    }
    assert!(left.is_empty(), "these files use each other in a circle, or use files that do: {left:?}");
}

/// The lint of Cargo.toml refuses unsafe code everywhere, but any file could lift it.
#[test]
fn only_two_rooms_lift_the_lint_on_unsafe_code() {
    let modules = modules();
    let lifting = modules.iter().filter(|(_, source)| source.contains("(unsafe_code"));
    assert_eq!(lifting.map(|(module, _)| module.as_str()).collect::<Vec<_>>(), ["instrument::heap", "platform"]);
}
