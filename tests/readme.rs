//! What the READMEs say is so: commands, flags, exit codes, keys and their defaults, documents, dependencies, links; and
//! the Chinese one says the same as the English one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use kuboard_ha::cli::exit::Exit;
use kuboard_ha::facts::Facts;
use kuboard_ha::inventory::{Context, Inventory, load};
use kuboard_ha::plan::model::Planning;
use kuboard_ha::status::status;
use serde_json::Value;

const READMES: [&str; 2] = ["README.md", "README.zh-CN.md"];

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Headings, fenced blocks and tables of a page, in its order.
#[derive(Default)]
struct Page {
    /// How many `#` each has.
    headings: Vec<usize>,
    /// `(language, text)`.
    blocks: Vec<(String, String)>,
    /// Rows without head and rule; each cell trimmed.
    tables: Vec<Vec<Vec<String>>>,
    /// Everything outside of fences.
    prose: String,
}

fn page(path: &str) -> Page {
    let mut page = Page::default();
    let mut fence: Option<(String, String)> = None;
    let mut rows: Vec<Vec<String>> = Vec::new();
    for line in text(path).lines().chain([""]) {
        if let Some((language, mut block)) = fence.take() {
            if line == "```" {
                page.blocks.push((language, block));
            } else {
                block.push_str(line);
                block.push('\n');
                fence = Some((language, block));
            }
            continue;
        }
        if let Some(language) = line.strip_prefix("```") {
            fence = Some((language.to_owned(), String::new()));
            continue;
        }
        if line.starts_with('|') {
            rows.push(cells(line));
        } else if !rows.is_empty() {
            page.tables.push(rows.drain(..).skip(2).collect());
        }
        if line.starts_with('#') {
            page.headings.push(line.chars().take_while(|c| *c == '#').count());
        }
        page.prose.push_str(line);
        page.prose.push('\n');
    }
    assert!(fence.is_none(), "{path}: a fence is open");
    page
}

fn cells(row: &str) -> Vec<String> {
    let row = row.replace("\\|", "\u{1}");
    let inner = row.trim().trim_start_matches('|').trim_end_matches('|');
    inner.split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect()
}

/// What stands between backticks.
fn spans(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_kuboard-ha")).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The flags of a help text: `-o`, `--output`.
fn flags(help: &str) -> BTreeSet<String> {
    help.lines()
        .map(str::trim_start)
        .filter(|line| line.starts_with('-') && !line.starts_with("- "))
        .flat_map(|line| line.split([' ', ',']).take_while(|word| word.is_empty() || word.starts_with('-')))
        // An optional value stands in brackets, with its `=`.
        .map(|flag| flag.split('[').next().unwrap_or(flag).trim_end_matches('.').to_owned())
        .filter(|flag| !flag.is_empty())
        .collect()
}

/// By command, its flags; under the empty name, those of the program.
fn commands() -> BTreeMap<String, BTreeSet<String>> {
    let top = help(&["--help"]);
    let listed =
        top.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<&str> = listed
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(names.contains(&"up"), "{top}");
    let mut all: BTreeMap<String, BTreeSet<String>> = names
        .iter()
        .filter(|name| **name != "help")
        .map(|name| ((*name).to_owned(), flags(&help(&[name, "--help"]))))
        .collect();
    all.insert("help".to_owned(), BTreeSet::new());
    all.insert(String::new(), flags(&top));
    all
}

/// Every call of the program in a text: its words after `kuboard-ha`, up to what ends a command.
fn calls(text: &str) -> Vec<Vec<String>> {
    let ends = |word: &str| ["|", "||", "&&", ">", ";", "#", "2>"].contains(&word);
    let mut found = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        for (at, _) in words.iter().enumerate().filter(|(_, word)| **word == "kuboard-ha") {
            let rest = words[at + 1..].iter().take_while(|word| !ends(word));
            found.push(rest.map(|word| word.trim_end_matches(';').to_owned()).collect());
        }
    }
    found
}

fn refuse_unknown(place: &str, calls: &[Vec<String>], known: &BTreeMap<String, BTreeSet<String>>) {
    for call in calls {
        let Some(first) = call.first() else { continue };
        let name = if first.starts_with('-') { "" } else { first };
        let flags =
            known.get(name).unwrap_or_else(|| panic!("{place}: there is no command `{name}`: {call:?}"));
        for word in call.iter().filter(|word| word.starts_with('-') && word.len() > 1) {
            assert!(flags.contains(word), "{place}: `{name}` has no {word}: {call:?}");
        }
    }
}

#[test]
fn every_command_and_flag_that_is_written_exists() {
    let known = commands();
    for path in READMES {
        let page = page(path);
        let inline = spans(&page.prose).join("\n");
        let fenced: String =
            page.blocks.iter().filter(|(l, _)| l == "sh").map(|(_, block)| block.as_str()).collect();
        let calls = calls(&format!("{inline}\n{fenced}"));
        assert!(calls.len() > 15, "{path}: only {} calls were found", calls.len());
        refuse_unknown(path, &calls, &known);
    }
    for path in ["examples/ci/gitlab-ci.yml", "examples/ci/github-actions.yml"] {
        let text = text(path);
        let written: String = text
            .lines()
            .map(|line| line.split(" #").next().unwrap_or(""))
            .filter(|line| line.contains("kuboard-ha "))
            .collect::<Vec<_>>()
            .join("\n");
        let calls: Vec<_> = calls(&written)
            .into_iter()
            .filter(|call| call.first().is_some_and(|word| known.contains_key(word)))
            .collect();
        assert!(calls.len() >= 5, "{path}: {calls:?}");
        refuse_unknown(path, &calls, &known);
        let _: Value = serde_saphyr::from_str(&text).unwrap();
    }
}

#[test]
fn every_command_and_flag_that_exists_is_written() {
    for path in READMES {
        let page = page(path);
        let first: Vec<String> = page.tables.iter().flatten().flat_map(|row| spans(&row[0])).collect();
        let words: BTreeSet<&str> = first.iter().flat_map(|span| span.split(' ')).collect();
        for (name, flags) in commands() {
            assert!(
                name.is_empty() || first.iter().any(|span| span.starts_with(&format!("kuboard-ha {name}"))),
                "{path}: {name}"
            );
            for flag in flags {
                assert!(words.contains(flag.as_str()), "{path}: no row tells of {flag} of `{name}`");
            }
        }
    }
}

#[test]
fn the_exit_codes_are_those_of_the_program() {
    let codes: Vec<String> = Exit::ALL.iter().map(|exit| exit.code().to_string()).collect();
    for path in READMES {
        let page = page(path);
        let table = page.tables.iter().find(|rows| rows[0][0] == "0").unwrap();
        let written: Vec<&str> = table.iter().map(|row| row[0].as_str()).collect();
        assert_eq!(written, codes, "{path}");
        assert!(table.iter().all(|row| row.len() == 3 && !row[2].is_empty()), "{path}");
    }
}

fn loaded(block: &str) -> Inventory {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("inventories");
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| error.to_string());
    let context = Context { folder: &folder, home: Some(Path::new("/home/ops")), read: &read };
    load(block, &context).unwrap_or_else(|problems| panic!("{problems:#?}\n{block}")).inventory
}

fn inventories(page: &Page) -> Vec<&str> {
    let yaml = page.blocks.iter().filter(|(language, _)| language == "yaml");
    yaml.map(|(_, block)| block.as_str()).filter(|block| block.starts_with("cluster:")).collect()
}

#[test]
fn every_inventory_that_is_shown_is_valid() {
    for path in READMES {
        let page = page(path);
        let shown = inventories(&page);
        assert_eq!(shown.len(), 2, "{path}");
        assert_eq!(shown[0].lines().count(), 12, "{path}: the first one is promised in twelve lines");
        for block in shown {
            loaded(block);
        }
    }
}

/// `a.b.c` of every value of the inventory that has all keys; what users name themselves is cut off or called NAME.
fn keys(prefix: &str, value: &Value, found: &mut BTreeSet<String>) {
    if prefix.starts_with("hosts.NAME.ssh.") && prefix != "hosts.NAME.ssh.host" {
        return; // as in `ssh`
    }
    let users_own = ["etcd.settings", "kuboard.env"].contains(&prefix);
    let is_secret = |map: &serde_json::Map<String, Value>| {
        map.len() == 1 && (map.contains_key("env") || map.contains_key("file"))
    };
    match value {
        Value::Object(map) if !users_own && !is_secret(map) => {
            for (key, below) in map {
                let key = if prefix == "hosts" { "NAME" } else { key };
                let path = if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
                keys(&path, below, found);
            }
        }
        _ if prefix != "hosts.NAME" => {
            found.insert(prefix.to_owned());
        }
        _ => {}
    }
}

#[test]
fn every_key_of_the_inventory_is_explained_and_no_other() {
    let every: Value = serde_saphyr::from_str(&text("tests/inventory_cases/every-key.yaml")).unwrap();
    let mut all = BTreeSet::new();
    keys("", &every, &mut all);
    assert!(all.len() > 50, "{all:?}");
    let sections: BTreeSet<String> =
        all.iter().filter_map(|key| Some(key.split_once('.')?.0.to_owned())).collect();
    for path in READMES {
        let page = page(path);
        let rows = page.tables.iter().flatten().flat_map(|row| spans(&row[0]));
        let written: BTreeSet<String> = rows
            .filter(|span| sections.contains(span.split('.').next().unwrap_or("")) || all.contains(span))
            .filter(|span| !span.ends_with('…') && !span.contains([' ', '/']))
            .collect();
        for key in &all {
            assert!(written.contains(key), "{path}: {key} is not explained");
        }
        for key in written {
            // One architecture stands for both in the file with every key.
            let known = all.contains(&key.replace("arm64", "amd64")) || sections.contains(&key);
            assert!(known, "{path}: there is no key {key}");
        }
    }
}

#[test]
fn the_defaults_are_those_of_the_model() {
    for path in READMES {
        let page = page(path);
        let model = serde_json::to_value(loaded(inventories(&page)[0])).unwrap();
        let defaults: BTreeMap<String, String> = page
            .tables
            .iter()
            .flatten()
            .filter_map(|row| Some((spans(&row[0]).first()?.clone(), spans(row.get(1)?).first()?.clone())))
            .collect();
        for key in [
            "etcd.version",
            "etcd.data_dir",
            "etcd.client_port",
            "etcd.peer_port",
            "questdb.version",
            "questdb.data_dir",
            "kuboard.image",
            "kuboard.http_port",
            "kuboard.agent_port",
            "kuboard.data_dir",
            "kuboard.docker",
            "load_balancer.port",
            "load_balancer.packages",
            "transfer",
            "firewall",
        ] {
            let value = key.split('.').fold(&model, |value, part| &value[part]);
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            assert_eq!(defaults.get(key), Some(&value), "{path}: {key}");
        }
        let inventory = loaded(inventories(&page)[0]);
        assert_eq!(
            defaults["etcd.heartbeat_interval"],
            format!("{}ms", inventory.etcd.heartbeat_interval.as_millis())
        );
        assert_eq!(
            defaults["etcd.election_timeout"],
            format!("{}s", inventory.etcd.election_timeout.as_secs())
        );
        assert_eq!(defaults["questdb.heap"], format!("{}GiB", inventory.questdb.unwrap().heap >> 30));
        assert_eq!((inventory.kuboard.audit, defaults["kuboard.audit"].as_str()), (true, "enabled"));
    }
}

/// What is shown has the keys of what is written, and lacks none.
fn same_keys(path: &str, shown: &Value, written: &Value) {
    match (shown, written) {
        (Value::Object(shown), Value::Object(written)) if path == "status.hosts" => {
            same_keys("status.hosts.NAME", shown.values().next().unwrap(), written.values().next().unwrap());
        }
        (Value::Object(shown), Value::Object(written)) => {
            assert!(
                shown.keys().eq(written.keys()),
                "{path}: {:?} is shown, {:?} is written",
                shown.keys(),
                written.keys()
            );
            for (key, shown) in shown {
                same_keys(&format!("{path}.{key}"), shown, &written[key]);
            }
        }
        (Value::Array(shown), Value::Array(written)) => {
            if let (Some(shown), Some(written)) = (shown.first(), written.first()) {
                same_keys(&format!("{path}[]"), shown, written);
            }
        }
        _ => {}
    }
}

#[test]
fn the_documents_have_the_keys_that_are_shown() {
    for path in READMES {
        let page = page(path);
        let json: Vec<&str> =
            page.blocks.iter().filter(|(l, _)| l == "json").map(|(_, block)| block.as_str()).collect();
        let mut schemas = BTreeSet::new();
        for block in json {
            let values: Vec<Value> = match serde_json::from_str(block) {
                Ok(one) => vec![one],
                Err(_) => block.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
            };
            for value in values {
                let schema = value["schema"].as_str().unwrap().to_owned();
                if schema == kuboard_ha::status::SCHEMA {
                    let inventory = loaded(&text("inventories/two-balancers.yaml"));
                    let written = status(&inventory, &Facts::default(), &Planning::default());
                    same_keys("status", &value, &serde_json::to_value(written).unwrap());
                }
                schemas.insert(schema);
            }
        }
        let all = ["kuboard-ha.check/1", "kuboard-ha.event/1", "kuboard-ha.plan/1", "kuboard-ha.status/1"];
        assert!(schemas.iter().eq(&all), "{path}: {schemas:?}");
    }
}

#[test]
fn every_kind_of_event_is_named() {
    let source = syn::parse_file(&text("src/event.rs")).unwrap();
    let variants = source.items.iter().find_map(|item| match item {
        syn::Item::Enum(found) if found.ident == "Event" => Some(&found.variants),
        _ => None,
    });
    for variant in variants.unwrap() {
        let mut kind = String::new();
        for letter in variant.ident.to_string().chars() {
            if letter.is_uppercase() && !kind.is_empty() {
                kind.push('-');
            }
            kind.extend(letter.to_lowercase());
        }
        for path in READMES {
            let told = text(path);
            assert!(
                told.contains(&format!("`{kind}`")) || told.contains(&format!("\"kind\":\"{kind}\"")),
                "{path}: {kind}"
            );
        }
    }
}

#[test]
fn every_dependency_has_a_reason() {
    let manifest = text("Cargo.toml");
    let names = |head: &str| -> BTreeSet<String> {
        let body = manifest
            .lines()
            .skip_while(|line| *line != head)
            .skip(1)
            .take_while(|line| !line.starts_with('['));
        body.filter_map(|line| Some(line.split_once('=')?.0.trim().to_owned())).collect()
    };
    for path in READMES {
        let page = page(path);
        let table = page.tables.iter().find(|rows| rows[0][0] == "clap").unwrap();
        let written: BTreeSet<String> = table.iter().map(|row| row[0].clone()).collect();
        assert_eq!(written, names("[dependencies]"), "{path}");
        for name in names("[dev-dependencies]") {
            assert!(page.prose.contains(&name), "{path}: {name}");
        }
    }
}

/// The files of this repository below a folder whose names end so, with their texts.
fn texts(folder: &str, end: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(end) {
                found.push((name, std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    found
}

/// Whether a file holds tests alone.
fn is_test(path: &str) -> bool {
    path.contains("tests") || path.ends_with("testing.rs")
}

/// The codes of all causes: what is the first argument of one, or of the pair that one is made of.
fn causes() -> BTreeSet<String> {
    let makes = |path: &str| path.contains("/causes") || path.ends_with("kuboard/docker.rs");
    let mut codes = BTreeSet::new();
    for (_, text) in texts("src", ".rs").iter().filter(|(path, _)| makes(path) && !is_test(path)) {
        let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for place in ["Cause::new( \"", "Cause::new(\"", "{ ( \""] {
            codes.extend(
                joined.split(place).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())),
            );
        }
    }
    assert!(codes.iter().all(|code| code.contains('.') && !code.contains(' ')), "{codes:?}");
    codes
}

#[test]
fn the_causes_are_those_of_the_program() {
    let codes = causes();
    assert!(codes.len() > 50, "{codes:?}");
    for path in READMES {
        let page = page(path);
        let named = |row: &Vec<String>| row.get(1).is_some_and(|cell| cell.contains("`port.taken`"));
        let table = page.tables.iter().find(|rows| rows.iter().any(named)).unwrap();
        let written: BTreeSet<String> = table.iter().flat_map(|row| spans(&row[1])).collect();
        assert_eq!(written, codes, "{path}");
    }
}

#[test]
fn every_cause_is_named_by_a_test() {
    let mut tests: String =
        texts("src", ".rs").into_iter().filter(|(path, _)| is_test(path)).map(|(_, text)| text).collect();
    tests.extend(texts("tests/lab", ".rs").into_iter().map(|(_, text)| text));
    tests.extend(texts("tests/plan_cases", "plan.txt").into_iter().map(|(_, text)| text));
    for code in causes() {
        assert!(tests.contains(&code), "no test names {code}");
    }
}

/// What `plan` prints for the manual's machines is what a balancer of one's own is told to have.
#[test]
fn the_configuration_of_ones_own_balancer_is_the_printed_one() {
    let golden = text("tests/golden/haproxy/external.txt");
    for path in READMES {
        let page = page(path);
        let shown: Vec<&str> = page
            .blocks
            .iter()
            .filter(|(language, _)| language == "haproxy" || language == "nginx")
            .map(|(_, block)| block.as_str())
            .collect();
        assert_eq!(shown.len(), 2, "{path}");
        assert_eq!(shown.join("\n").trim_end(), golden.trim_end(), "{path}");
    }
}

#[test]
fn both_languages_say_the_same() {
    let [english, chinese] = READMES.map(page);
    assert_eq!(english.headings, chinese.headings);
    assert_eq!(english.blocks, chinese.blocks);
    assert_eq!(english.tables.len(), chinese.tables.len());
    for (english, chinese) in english.tables.iter().zip(&chinese.tables) {
        assert_eq!(english.len(), chinese.len(), "{:?}", english[0]);
        for (english, chinese) in english.iter().zip(chinese) {
            let sorted = |cell: &str| spans(cell).into_iter().collect::<BTreeSet<_>>();
            assert_eq!(sorted(&english[0]), sorted(&chinese[0]));
            assert_eq!(english.len(), chinese.len(), "{english:?}");
        }
    }
}

#[test]
fn links_lead_somewhere() {
    for path in [
        "README.md",
        "README.zh-CN.md",
        "CONTRIBUTING.md",
        "examples/ci/README.md",
        "examples/pictures/README.md",
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let folder = folder.parent().unwrap();
        let text = text(path);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.starts_with("http")) {
            let file = target.split('#').next().unwrap();
            assert!(folder.join(file).exists(), "{path}: {target}");
        }
    }
}

/// The nightly script of GitLab's sample, with programs that end as told. Gives its exit code and whether both ran.
fn night(folder: &Path, status: (u8, &str), plan: u8) -> (i32, bool) {
    let script = folder.join("kuboard-ha");
    let stub = format!(
        "#!/bin/sh\necho \"$1\" >>ran\ncase $1 in status) printf %s '{}'; exit {} ;; *) exit {plan} ;; esac\n",
        status.1, status.0
    );
    std::fs::write(&script, stub).unwrap();
    let sample: Value = serde_saphyr::from_str(&text("examples/ci/gitlab-ci.yml")).unwrap();
    let lines: Vec<&str> =
        sample["nightly"]["script"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let mut shell = Command::new("bash");
    shell.current_dir(folder).args(["-c", &format!("set -eo pipefail\n{}", lines.join("\n"))]);
    let path = std::env::var("PATH").unwrap();
    let output = shell.env("PATH", format!("{}:{path}", folder.display())).output().unwrap();
    let ran = std::fs::read_to_string(folder.join("ran")).unwrap();
    std::fs::remove_file(folder.join("ran")).unwrap();
    (output.status.code().unwrap(), ran == "status\nplan\n" && folder.join("status.json").exists())
}

#[test]
fn every_night_both_are_asked_and_an_outage_is_no_warning() {
    let folder = tempfile::tempdir().unwrap();
    let jq = "#!/bin/sh\nsed -n 's/.*\"verdict\":\"\\([a-z]*\\)\".*/\\1/p' \"$3\"\n";
    for (name, stub) in [("jq", jq), ("kuboard-ha", "")] {
        let path = folder.path().join(name);
        std::fs::write(&path, stub).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let verdict = |word: &str| format!(r#"{{"schema":"kuboard-ha.status/1","verdict":"{word}"}}"#);
    for (status, word, plan, wanted) in [
        (0, "healthy", 0, 0),
        (10, "degraded", 10, 10),
        (10, "down", 10, 1),
        (10, "unknown", 0, 1),
        (4, "degraded", 4, 4),
        (0, "healthy", 10, 10),
        (10, "degraded", 5, 5),
    ] {
        assert_eq!(
            night(folder.path(), (status, &verdict(word)), plan),
            (wanted, true),
            "{word} {status} {plan}"
        );
    }
    assert_eq!(night(folder.path(), (3, ""), 3), (3, true), "no document");
    let sample: Value = serde_saphyr::from_str(&text("examples/ci/github-actions.yml")).unwrap();
    let steps = sample["jobs"]["kuboard"]["steps"].as_array().unwrap().iter();
    let nightly: Vec<_> = steps
        .filter(|step| step["if"].as_str().is_some_and(|when| when.contains("schedule")))
        .map(|step| (step["run"].as_str().unwrap(), step["if"].as_str().unwrap().starts_with("always() && ")))
        .collect();
    assert_eq!(nightly, [("kuboard-ha status --check", false), ("kuboard-ha plan --check", true)]);
}
