//! The samples under `inventories/` load; each file under `tests/inventory_cases/` tells exactly what the text
//! beside it says. Drop in a file, run with `BLESS=1`, read what was written, commit both.

#![expect(clippy::unwrap_used, reason = "what a test's helpers cannot read fails the test")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kuboard_ha::catalog;
use kuboard_ha::inventory::model::{EnvValue, QuestdbFlavour, SecretSource};
use kuboard_ha::inventory::{Advice, Context, Loaded, Problem, load, masked};
use kuboard_ha::resource::{Arch, HostName};
use proptest::prelude::*;

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| error.kind().to_string())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn load_at(folder: &Path, text: &str) -> Result<Loaded, Vec<Problem>> {
    load(text, &Context { folder, home: Some(Path::new("/home/ops")), read: &read })
}

fn sample(name: &str) -> Loaded {
    let folder = root().join("inventories");
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    load_at(&folder, &text).unwrap_or_else(|problems| panic!("{name}: {problems:#?}"))
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    files.sort();
    files
}

fn many(range: std::ops::Range<usize>, line: &dyn Fn(usize) -> String) -> String {
    range.map(line).collect::<Vec<_>>().concat()
}

/// What a case's text holds: each problem or advice with its place, the underlined text and the hint.
fn told(text: &str, loaded: &Result<Loaded, Vec<Problem>>) -> String {
    let hint =
        |hint: &Option<String>| hint.as_ref().map(|hint| format!("    hint: {hint}\n")).unwrap_or_default();
    match loaded {
        Ok(loaded) => loaded.advice.iter().fold("valid\n".to_owned(), |all, advice| {
            let Advice { line, code, message, hint: way_out } = advice;
            all + &format!("{line}: {code}: {message}\n{}", hint(way_out))
        }),
        Err(problems) => {
            let shown = masked(text, problems);
            problems.iter().fold(String::new(), |all, problem| {
                let marked = shown[problem.span.clone()].lines().next().unwrap_or("");
                let Problem { line, column, message, .. } = problem;
                all + &format!("{line}:{column} <{marked}> {message}\n{}", hint(&problem.hint))
            })
        }
    }
}

#[test]
fn every_case_tells_what_it_should() {
    let folder = root().join("tests/inventory_cases");
    let mut failed = Vec::new();
    let files = yaml_files(&folder);
    assert!(files.len() >= 30, "the cases are gone");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let told = told(&text, &load_at(&folder, &text));
        let beside = file.with_extension("txt");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&beside, &told).unwrap();
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_default();
        if told != expected {
            failed.push(format!("{}\n--- expected\n{expected}--- told\n{told}", file.display()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_sample_loads_and_its_releases_are_known() {
    let files = yaml_files(&root().join("inventories"));
    assert_eq!(files.len(), 8, "one sample for each topology");
    for file in files {
        let inventory = sample(file.file_name().unwrap().to_str().unwrap()).inventory;
        let etcd = catalog::etcd_artifact(&inventory.etcd, Arch::Amd64).unwrap();
        assert!(!etcd.source.contains('{'), "{}", etcd.source);
        let questdb = inventory.questdb.unwrap();
        assert!(!catalog::questdb_artifact(&questdb, Arch::Amd64).unwrap().source.contains('{'));
    }
}

#[test]
fn defaults_are_the_manuals() {
    let inventory = sample("manual.yaml").inventory;
    assert_eq!(inventory.etcd.version, "3.5.6");
    assert_eq!((inventory.etcd.client_port, inventory.etcd.peer_port), (2379, 2380));
    assert_eq!(inventory.etcd.heartbeat_interval, Duration::from_millis(250));
    assert_eq!(inventory.etcd.election_timeout, Duration::from_secs(5));
    assert_eq!(inventory.kuboard.url, "http://10.99.16.20");
    assert_eq!((inventory.kuboard.http_port, inventory.kuboard.agent_port), (80, 10081));
    assert!(inventory.kuboard.audit);
    assert_eq!(inventory.questdb.unwrap().flavour, QuestdbFlavour::NoJre);
    let balancer = inventory.load_balancer.unwrap();
    assert_eq!((balancer.port, balancer.virtual_router_id, balancer.hosts.len()), (80, 20, 0));
}

#[test]
fn a_hosts_ssh_overrides_the_defaults_key_by_key() {
    let inventory = sample("sudo.yaml").inventory;
    let host = |name: &str| &inventory.hosts[&HostName::new(name)].ssh;
    assert_eq!((host("etcd1").user.as_deref(), host("etcd1").port), (Some("ops"), None));
    assert_eq!((host("kuboard-2").user.as_deref(), host("kuboard-2").port), (Some("deploy"), Some(2222)));
    assert_eq!(host("kuboard-2").sudo_password, Some(SecretSource::Env("SUDO_PASSWORD".into())));
    assert_eq!(host("kuboard-2").host, "10.99.16.22");
    assert_eq!(
        host("kuboard-2").identity_file.as_deref(),
        Some(Path::new("~/.ssh/id_ed25519")),
        "ssh expands it"
    );
}

#[test]
fn paths_start_at_the_inventorys_folder() {
    let inventory = sample("no-internet.yaml").inventory;
    let folder = root().join("inventories");
    let etcd = catalog::etcd_artifact(&inventory.etcd, Arch::Arm64).unwrap();
    assert_eq!(Path::new(&etcd.source), folder.join("downloads/etcd-v3.5.33-linux-arm64.tar.gz"));
    assert_eq!(inventory.questdb.as_ref().unwrap().flavour, QuestdbFlavour::Rt);
    let image = catalog::image_artifact(&inventory.kuboard, Arch::Amd64).unwrap().unwrap();
    assert_eq!(Path::new(&image.source), folder.join("downloads/kuboard-v3.5.2.9.tar"));
    assert!(catalog::image_artifact(&inventory.kuboard, Arch::Arm64).unwrap().is_err());
}

#[test]
fn a_folder_may_have_any_name() {
    let text = std::fs::read_to_string(root().join("inventories/sudo.yaml")).unwrap();
    let text =
        text.replace("identity_file: ~/.ssh/id_ed25519", "identity_file: keys/%u\n  config_file: ~/ssh");
    assert!(text.contains("keys/%u"), "{text}");
    let inventory = load_at(Path::new("/srv/100% \"$(id)\"/é"), &text).unwrap().inventory;
    let ssh = &inventory.hosts[&HostName::new("etcd1")].ssh;
    // ssh fills in signs of the text; of the folder it would, too.
    assert_eq!(ssh.identity_file.as_deref(), Some(Path::new("/srv/100%% \"$(id)\"/é/keys/%u")));
    // ssh itself does not know `~` there.
    assert_eq!(ssh.config_file.as_deref(), Some(Path::new("/home/ops/ssh")));
}

#[test]
fn the_bastion_sample_is_https_with_ldap() {
    let inventory = sample("bastion.yaml").inventory;
    assert_eq!(inventory.kuboard.url, "https://kuboard.example.com");
    let secret = EnvValue::Secret(SecretSource::Env("LDAP_BIND_PASSWORD".into()));
    assert_eq!(inventory.kuboard.env["LDAP_BIND_PASSWORD"], secret);
    let tls = inventory.load_balancer.as_ref().and_then(|balancer| balancer.tls.as_ref()).unwrap();
    assert!(tls.certificate_pem.starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(inventory.supplied_secrets().len(), 3);
    assert_eq!(inventory.hosts[&HostName::new("kuboard-1")].agent_address, "203.0.113.21");
}

#[test]
fn a_bomb_is_refused_at_once() {
    let line =
        |level: usize| format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 9].join(", "));
    let bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned() + &many(1..30, &line);
    let start = Instant::now();
    let problems = load_at(root(), &bomb).unwrap_err();
    assert_eq!(problems[0].message, "anchors and aliases are not used in an inventory");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn a_file_full_of_mistakes_is_told_soon() {
    let hosts = many(0..800, &|i| format!("  h{i}: 10.0.{}.{}\n", i / 250, i % 250 + 1));
    let names = many(0..800, &|i| format!("x{i}, "));
    let keys = many(0..800, &|i| format!("unknown{i}: {i}\n"));
    let text = format!(
        "cluster: c\nhosts:\n{hosts}etcd: {{ hosts: [{names}] }}\nkuboard: {{ hosts: [h1] }}\n{keys}"
    );
    is_told_soundly(&text);
    assert!(load_at(root(), &text).unwrap_err().len() > 1600);
    // Larger still: refused as a whole.
    let problems = load_at(root(), &many(0..6000, &|i| format!("k{i}: v\n"))).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
}

/// Places lie inside the text, whatever it is, and reading it ends soon, on a busy machine too.
fn is_told_soundly(text: &str) {
    let start = Instant::now();
    let loaded = load_at(root(), text);
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    let Err(problems) = loaded else { return };
    assert!(!problems.is_empty());
    // For YAML a carriage return alone ends a line, too.
    let lines = text.matches(['\n', '\r']).count() + 1;
    for problem in &problems {
        assert!(text.get(problem.span.clone()).is_some(), "{problem:?}");
        assert!((1..=lines).contains(&problem.line) && problem.column >= 1, "{problem:?}");
    }
    assert_eq!(masked(text, &problems).len(), text.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_told_soundly(text in "(?s).{0,400}") {
        is_told_soundly(&text);
    }

    #[test]
    fn any_yaml_like_text_is_told_soundly(text in "([a-z]{1,6}|[\\[\\]{}:,&*!|>'\"#%@ \\n\\t~-]|ä|: |\n  ){0,120}") {
        is_told_soundly(&text);
    }

    /// One edit of a good file: a line lost, doubled, or cut, or a character changed.
    #[test]
    fn a_damaged_sample_is_told_soundly(file in 0_usize..8, line in 0_usize..60, kind in 0..4, with in "[ -~ä\t]{1,3}") {
        let file = &yaml_files(&root().join("inventories"))[file];
        let text = std::fs::read_to_string(file).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let line = line % lines.len();
        match kind {
            0 => { lines.remove(line); }
            1 => { let again = lines[line].clone(); lines.insert(line, again); }
            2 => { let half = lines[line].chars().count() / 2; lines[line] = lines[line].chars().take(half).collect(); }
            _ => { let half = lines[line].chars().count() / 2; let tail: String = lines[line].chars().skip(half).collect();
                   let head: String = lines[line].chars().take(half).collect(); lines[line] = format!("{head}{with}{tail}"); }
        }
        is_told_soundly(&lines.join("\n"));
    }
}
