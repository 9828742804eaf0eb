//! The core is pure by its imports, and no module leads back to itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const PURE: [&str; 9] =
    ["model", "status", "memory", "policy", "diagnosis", "replica", "lag", "text", "decide"];
const IMPURE: [&str; 10] = [
    "aws_",
    "crate::aws",
    "tokio",
    "tracing",
    "std::env",
    "env!",
    "lambda_runtime",
    "Timestamp::now",
    "SystemTime",
    "std::time::Instant",
];

/// The modules below `src/`, each with the code of its files, comments left out.
fn modules() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules: BTreeMap<String, String> = BTreeMap::new();
    for file in files(&root) {
        let top = file.strip_prefix(&root).unwrap().iter().next().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let code =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n"));
        modules.entry(top.trim_end_matches(".rs").to_owned()).or_default().extend(code);
    }
    modules
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn imports(code: &str) -> BTreeSet<String> {
    let name = |rest: &str| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned();
    code.split("crate::").skip(1).map(name).collect()
}

#[test]
fn the_core_names_no_sdk_runtime_log_environment_or_clock() {
    let modules = modules();
    for module in PURE {
        let code = &modules[module];
        for word in IMPURE {
            assert!(!code.contains(word), "{module} names {word}");
        }
        let outside: Vec<_> = imports(code).into_iter().filter(|it| !PURE.contains(&it.as_str())).collect();
        assert_eq!(outside, Vec::<String>::new(), "{module} imports what is not pure");
    }
}

#[test]
fn no_module_leads_back_to_itself() {
    let of = |(module, code): (String, String)| {
        let imports = imports(&code).into_iter().filter(|name| *name != module).collect();
        (module, imports)
    };
    let mut graph: BTreeMap<String, BTreeSet<String>> = modules().into_iter().map(of).collect();
    // Takes away what imports nothing that is left, until only circles are left.
    while let Some(leaf) = graph
        .iter()
        .find(|(_, to)| to.iter().all(|name| !graph.contains_key(name)))
        .map(|(name, _)| name.clone())
    {
        graph.remove(&leaf);
    }
    assert!(graph.is_empty(), "modules in a circle, or before one: {graph:#?}");
}
