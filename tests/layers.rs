//! The layers of the design, held: who may name whom, what may not be named where, how long a file may be.

#![expect(clippy::unwrap_used, reason = "what helpers of a test cannot do ends the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// From the bottom up; a module may use its own layer and those below.
const LAYERS: [(&str, &[&str]); 5] = [
    ("words", &["secret", "resource", "event"]),
    ("input", &["inventory", "catalog", "facts::model", "facts::service", "facts::probe"]),
    (
        "thought",
        &["render", "causes", "services", "plan", "status", "facts::look", "facts::read", "facts::script"],
    ),
    ("hands", &["host", "artifact", "apply", "facts::gather"]),
    ("face", &["cli"]),
];

/// What a layer must not name, by path prefix; for macros with `!`.
const FORBIDDEN: [(&str, &[&str]); 5] = [
    ("words", &["tokio", "openssh", "reqwest", "std::fs", "std::env", "clap", "indicatif", "println!"]),
    ("input", &["tokio", "openssh", "reqwest", "std::fs", "std::env", "clap", "indicatif", "println!"]),
    (
        "thought",
        &[
            "tokio",
            "openssh",
            "reqwest",
            "std::fs",
            "std::env",
            "std::process",
            "std::time::Instant",
            "std::time::SystemTime",
            "std::collections::HashMap",
            "std::collections::HashSet",
            "HashMap",
            "clap",
            "indicatif",
            "println!",
            "eprintln!",
        ],
    ),
    ("hands", &["clap", "indicatif", "println!", "eprintln!"]),
    ("face", &[]),
];

/// `apply` and these files interpret; they must not know a product.
const PRODUCT_FREE: [&str; 4] = ["src/apply", "src/causes", "src/plan/diff.rs", "src/plan/order.rs"];
const PRODUCTS: [&str; 5] = ["etcd", "questdb", "haproxy", "keepalived", "kuboard-"];

/// Lines of a file, and of one that holds tests only.
const LONGEST: usize = 400;
const LONGEST_TESTS: usize = 600;

#[derive(Default)]
struct Names {
    found: BTreeSet<String>,
}

impl Names {
    fn tree(&mut self, prefix: &str, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => self.tree(&format!("{prefix}{}::", path.ident), &path.tree),
            syn::UseTree::Name(name) => {
                self.found.insert(format!("{prefix}{}", name.ident));
            }
            syn::UseTree::Rename(name) => {
                self.found.insert(format!("{prefix}{}", name.ident));
            }
            syn::UseTree::Glob(_) => {
                self.found.insert(prefix.trim_end_matches("::").to_owned());
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.tree(prefix, item)),
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let test = item.attrs.iter().any(|attr| {
            attr.path().is_ident("cfg") && attr.parse_args::<syn::Ident>().is_ok_and(|name| name == "test")
        });
        if !test {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree("", &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let text: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.found.insert(text.join("::"));
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if let Some(name) = call.path.segments.last() {
            self.found.insert(format!("{}!", name.ident));
        }
        visit::visit_macro(self, call);
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    sources(Path::new("src"), &mut found);
    found
}

/// `src/facts/probe/mod.rs` as `facts::probe`.
fn module(path: &Path) -> String {
    let text = path.strip_prefix("src").unwrap().with_extension("");
    let words: Vec<&str> = text.iter().map(|word| word.to_str().unwrap()).collect();
    words.join("::").trim_end_matches("::mod").to_owned()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|(_, modules)| {
        modules.iter().any(|name| module == *name || module.starts_with(&format!("{name}::")))
    })
}

fn is_test_only(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem == "testing" || stem == "tests")
}

#[test]
fn every_module_names_only_its_own_layer_and_those_below() {
    let mut breaches = Vec::new();
    for path in all_sources().into_iter().filter(|path| !is_test_only(path)) {
        let module = module(&path);
        // The root, the binary and the folders' own mod.rs of a split module only declare.
        if ["lib", "main", "facts"].contains(&module.as_str()) {
            continue;
        }
        let Some(own) = layer(&module) else {
            breaches.push(format!("{}: belongs to no layer; add it to LAYERS", path.display()));
            continue;
        };
        let mut names = Names::default();
        names.visit_file(&syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap());
        for name in &names.found {
            if let Some(target) = name.strip_prefix("crate::").and_then(layer)
                && target > own
            {
                breaches.push(format!(
                    "{}: {} may not name {name} ({})",
                    path.display(),
                    LAYERS[own].0,
                    LAYERS[target].0
                ));
            }
            for forbidden in FORBIDDEN[own].1 {
                if name == forbidden || name.starts_with(&format!("{forbidden}::")) {
                    breaches.push(format!("{}: {} may not name {name}", path.display(), LAYERS[own].0));
                }
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn what_interprets_knows_no_product() {
    let mut breaches = Vec::new();
    for path in all_sources() {
        let text = path.display().to_string();
        if !PRODUCT_FREE.iter().any(|place| text.starts_with(place)) || is_test_only(&path) {
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        let code = source.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
        for (number, line) in code.lines().enumerate() {
            let lower = line.to_lowercase().replace("kuboard-ha", "");
            if line.trim_start().starts_with("//") {
                continue;
            }
            for product in PRODUCTS.iter().filter(|product| lower.contains(**product)) {
                breaches.push(format!("{text}:{}: names {product}", number + 1));
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn no_file_is_too_long_to_read() {
    let long: Vec<String> = all_sources()
        .iter()
        .map(|path| {
            let stem = path.file_stem().unwrap().to_string_lossy();
            (path, if stem.ends_with("tests") { LONGEST_TESTS } else { LONGEST })
        })
        .map(|(path, most)| (path, fs::read_to_string(path).unwrap().lines().count(), most))
        .filter(|(_, lines, most)| lines > most)
        .map(|(path, lines, most)| format!("{}: {lines} lines, at most {most}", path.display()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}
