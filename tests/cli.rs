//! The binary as users call it, without touching a host: help, exit codes, documents, streams.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kuboard_ha::facts::model::{Facts, HostState};
use kuboard_ha::resource::HostName;
use serde_json::Value;

const HOSTS: [&str; 6] = ["etcd1", "etcd2", "etcd3", "questdb", "kuboard-1", "kuboard-2"];

fn kuboard_ha() -> Command {
    // Whoever started the tests may have signals ignored, as nohup and a shell's `&` do.
    let mut command = Command::new("env");
    command.args(["--default-signal=INT,TERM,HUP", env!("CARGO_BIN_EXE_kuboard-ha")]);
    for name in ["KUBOARD_HA_INVENTORY", "NO_COLOR", "COLUMNS"] {
        command.env_remove(name);
    }
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    command
}

/// Runs it and compares the exit code.
fn run(args: &[&str], code: i32) -> Output {
    let output = kuboard_ha().args(args).output().unwrap();
    check(output, code)
}

fn check(output: Output, code: i32) -> Output {
    let both = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "stdout: {}\nstderr: {}", both.0, both.1);
    output
}

fn with_input(args: &[&str], input: &str, code: i32) -> Output {
    let mut command = kuboard_ha();
    let mut child = command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    check(child.wait_with_output().unwrap(), code)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A folder with facts of the manual's hosts.
struct Saved {
    folder: tempfile::TempDir,
}

impl Saved {
    fn new(state: impl Fn(&str) -> HostState) -> Self {
        let hosts = HOSTS.map(|name| (HostName::new(name), state(name)));
        Self::of(&Facts { hosts: hosts.into_iter().collect(), ..Facts::default() })
    }

    fn of(facts: &Facts) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("facts.json"), serde_json::to_string(facts).unwrap()).unwrap();
        Self { folder }
    }

    fn unreachable() -> Self {
        Self::new(|_| HostState::unreachable("connection timed out"))
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("facts.json")
    }

    fn run(&self, args: &[&str], code: i32) -> Output {
        let file = self.file();
        let mut all = args.to_vec();
        all.extend(["inventories/manual.yaml", "--facts", file.to_str().unwrap()]);
        run(&all, code)
    }
}

fn json(output: &Output) -> Value {
    let text = text(&output.stdout);
    assert_eq!(text.lines().count(), 1, "one document, one line: {text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn help_lists_commands_examples_and_every_exit_code() {
    let help = text(&run(&["--help"], 0).stdout);
    for wanted in ["check", "plan", "up", "status", "Examples:", "10  with --check", "130  interrupted"] {
        assert!(help.contains(wanted), "{wanted}: {help}");
    }
    for command in ["check", "plan", "up", "status"] {
        let help = text(&run(&[command, "--help"], 0).stdout);
        assert!(help.contains("Examples:") && help.contains("Exit codes:"), "{help}");
        assert!(!help.contains("--facts"), "options for developers are hidden: {help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}

#[test]
fn wrong_usage_is_2() {
    run(&["plan", "--no-such-option"], 2);
    run(&["plan", "-q", "-v"], 2);
    run(&["fly"], 2);
    run(&[], 2);
    let error = text(&run(&["plan", "inventories/manual.yaml", "--script", "etcd11"], 2).stderr);
    assert!(error.contains("has no host etcd11") && error.contains("did you mean etcd1?"), "{error}");
    run(&["up", "inventories/manual.yaml", "--without", "nobody"], 2);
}

#[test]
fn an_invalid_inventory_is_3_with_every_place_and_a_hint() {
    let wrong = "cluster: kuboard\nectd:\n  hosts: [a]\nhosts:\n  a: 1.2.3.4\nkuboard: 3\n";
    for command in ["check", "plan", "up", "status"] {
        let output = with_input(&[command, "-"], wrong, 3);
        let error = text(&output.stderr);
        for wanted in ["<stdin>:2:1", "ectd:", "did you mean `etcd`", "<stdin>:6:10"] {
            assert!(error.contains(wanted), "{wanted}: {error}");
        }
        assert!(output.stdout.is_empty() || command == "up");
    }
    let outcome = json(&with_input(&["up", "-", "-o", "json"], wrong, 3));
    assert_eq!(outcome["error"], "<stdin> has 3 problems");
    let findings = outcome["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 3, "{outcome}");
    let told = |found: &&Value| found["message"].as_str().unwrap().starts_with("<stdin>:2:1: ");
    let found = findings.iter().find(told).unwrap_or_else(|| panic!("{outcome}"));
    assert_eq!((&found["severity"], &found["code"]), (&"blocked".into(), &"inventory.invalid".into()));
    assert!(found["hint"].as_str().unwrap().contains("did you mean `etcd`"), "{found}");
}

#[test]
fn what_is_not_yaml_is_shown_where_it_stands() {
    let error = text(&with_input(&["check", "-"], "cluster: kuboard\nhosts:\n  a: b: c\n", 3).stderr);
    for wanted in ["[<stdin>:3:7]", "3 │   a: b: c"] {
        assert!(error.contains(wanted), "{wanted}: {error}");
    }
    assert!(!error.contains("cluster"), "{error}");
    let block = "cluster: kuboard\nssh:\n  password: |\n   its first line\n  hunter2poison\n";
    let error = text(&with_input(&["check", "-"], block, 3).stderr);
    assert!(error.contains("[<stdin>:5:3]") && !error.contains("hunter2poison"), "{error}");
}

#[test]
fn a_secret_in_the_clear_is_refused_and_not_repeated() {
    let sample = std::fs::read_to_string("inventories/manual.yaml").unwrap();
    for wrong in [
        format!("{sample}\nssh: {{ password: hunter2poison }}\n"),
        sample.replacen("kuboard:\n", "kuboard:\n  admin_password: hunter2poison\n", 1),
        sample.replacen("kuboard:\n", "kuboard:\n  admin_pasword: it is, hunter2poison\n", 1),
        sample.replacen("kuboard:\n", "kuboard:\n  admin_pasword: 'it's hunter2poison'\n", 1),
        sample.replacen("kuboard:\n", "kuboard:\n  admin_password: !hunter2poison x\n", 1),
        format!("{sample}\nssh: {{ password: it is, hunter2poison }}\n"),
        format!("{sample}\nssh: {{ password: {{hunter2poison}} }}\n"),
    ] {
        let error = text(&with_input(&["check", "-"], &wrong, 3).stderr);
        assert!(!error.contains("hunter2poison"), "{error}");
        let told = text(&with_input(&["up", "-", "-o", "json"], &wrong, 3).stdout);
        assert!(told.contains("inventory.invalid") && !told.contains("hunter2poison"), "{told}");
    }
}

#[test]
fn an_inventory_that_is_not_there_is_3() {
    let error = text(&run(&["plan", "no-such.yaml"], 3).stderr);
    assert!(error.contains("no-such.yaml") && error.contains("hint:"), "{error}");
}

#[test]
fn timings_that_cannot_be_written_are_told_before_any_host_is_asked() {
    let error =
        text(&run(&["up", "inventories/manual.yaml", "--timings=/no/such/folder/trace.json"], 2).stderr);
    assert!(error.contains("/no/such/folder/trace.json") && !error.contains("etcd1"), "{error}");
}

#[test]
fn the_inventory_comes_from_the_environment_or_the_folder() {
    let saved = Saved::unreachable();
    let facts = saved.file();
    let mut command = kuboard_ha();
    command.env("KUBOARD_HA_INVENTORY", "inventories/manual.yaml").args(["plan", "--facts"]).arg(&facts);
    check(command.output().unwrap(), 4);

    std::fs::copy("inventories/manual.yaml", saved.folder.path().join("inventory.yaml")).unwrap();
    for variable in [None, Some("")] {
        let mut command = kuboard_ha();
        command.current_dir(saved.folder.path()).args(["plan", "--facts", "facts.json"]);
        command.envs(variable.map(|value| ("KUBOARD_HA_INVENTORY", value)));
        check(command.output().unwrap(), 4);
    }
    // An empty argument is a mistake, perhaps of a script's.
    run(&["plan", ""], 2);
}

#[test]
fn a_missing_secret_is_3_and_named_by_its_key() {
    let sample = std::fs::read_to_string("inventories/manual.yaml").unwrap();
    let asks = sample.replacen("kuboard:\n", "kuboard:\n  admin_password: { env: NO_SUCH_VARIABLE }\n", 1);
    assert_ne!(asks, sample, "the sample's kuboard section begins a line");
    let error = text(&with_input(&["plan", "-"], &asks, 3).stderr);
    assert!(
        error.contains("kuboard.admin_password: the environment variable NO_SUCH_VARIABLE is not set"),
        "{error}"
    );
}

#[test]
fn hosts_that_are_not_reachable_are_4_and_status_still_answers() {
    let saved = Saved::unreachable();
    saved.run(&["plan"], 4);
    saved.run(&["check"], 4);
    saved.run(&["up", "--dry-run"], 4);
    let status = text(&saved.run(&["status"], 0).stdout);
    assert!(status.starts_with("kuboard is down\n"), "{status}");
    saved.run(&["status", "--check"], 4);
}

#[test]
fn a_dry_run_leaves_out_what_the_run_would() {
    let inventory = world::inventory(Path::new("inventories/manual.yaml"));
    let mut facts = world::bare(&inventory);
    facts.hosts.insert(HostName::new("kuboard-2"), HostState::unreachable("connection timed out"));
    let saved = Saved::of(&facts);
    saved.run(&["up", "--dry-run"], 4);
    let plan = text(&saved.run(&["up", "--dry-run", "--without", "kuboard-2"], 0).stdout);
    assert!(plan.contains("kuboard-2 is left out of this run") && plan.contains("steps on 5 of 6"), "{plan}");

    let folder = with_ssh("touch \"$0.begun\"; exit 255");
    let mut run = kuboard_ha();
    run.args(["up", "inventories/one-machine.yaml", "--dry-run", "--without", "server"]);
    check(run.env("PATH", on_path(&folder)).output().unwrap(), 5);
    assert!(!folder.path().join("ssh.begun").exists(), "a host that is left out was asked");
}

#[test]
fn documents_carry_their_schema() {
    let saved = Saved::unreachable();
    let status = json(&saved.run(&["status", "-o", "json"], 0));
    assert_eq!((&status["schema"], &status["verdict"]), (&"kuboard-ha.status/1".into(), &"down".into()));
    assert_eq!(status["hosts"]["etcd1"]["reachable"], false);
    assert_eq!(status["etcd"]["members"][0]["healthy"], Value::Null);

    let plan = json(&saved.run(&["plan", "-o", "json"], 4));
    assert_eq!(plan["schema"], "kuboard-ha.plan/1");
    assert!(plan["stages"].is_array() && plan["jobs"].is_array() && plan["findings"].is_array());

    let check = json(&saved.run(&["check", "-o", "json"], 4));
    assert_eq!(check["schema"], "kuboard-ha.check/1");
    assert!(["ready", "blocked", "unknown"].contains(&check["verdict"].as_str().unwrap()));
}

#[test]
fn an_error_of_up_is_an_outcome_for_programs() {
    let output = run(&["up", "no-such.yaml", "-o", "json"], 3);
    let outcome = json(&output);
    assert_eq!(outcome["schema"], "kuboard-ha.event/1");
    assert_eq!((&outcome["kind"], &outcome["result"]), (&"outcome".into(), &"failed".into()));
    assert_eq!(outcome["exit"], 3);
}

#[test]
fn colours_go_to_terminals_and_to_those_who_ask() {
    let saved = Saved::unreachable();
    assert!(!text(&saved.run(&["status"], 0).stdout).contains('\x1b'));
    assert!(text(&saved.run(&["status", "--color", "always"], 0).stdout).contains("\x1b["));
}

#[test]
fn a_reader_that_leaves_is_no_error_and_a_full_disk_is() {
    let saved = Saved::new(|_| HostState::Reached(Box::default()));
    let mut command = kuboard_ha();
    command.args(["status", "inventories/manual.yaml", "--facts"]).arg(saved.file());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert_eq!((child.wait().unwrap().code(), error.as_str()), (Some(0), ""));

    let mut command = kuboard_ha();
    command.args(["status", "inventories/manual.yaml", "--facts"]).arg(saved.file());
    command.stdout(File::options().write(true).open("/dev/full").unwrap());
    check(command.output().unwrap(), 1);
}

#[test]
fn what_is_shown_fits_the_terminal() {
    let saved = Saved::new(|_| HostState::Reached(Box::default()));
    for width in ["80", "140"] {
        {
            let command = "status";
            let mut run = kuboard_ha();
            run.env("COLUMNS", width).args([command, "inventories/manual.yaml", "--facts"]).arg(saved.file());
            let shown = text(&run.output().unwrap().stdout);
            let limit = width.parse().unwrap();
            assert!(shown.lines().all(|line| line.chars().count() <= limit), "{width}: {shown}");
        }
    }
}

/// A folder whose `ssh` is this script.
fn with_ssh(script: &str) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ssh");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn on_path(folder: &tempfile::TempDir) -> String {
    format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap())
}

const REFUSED: &str = "echo 'ssh: connect to host x port 22: Connection refused' >&2; exit 255";

#[test]
fn a_signal_while_looking_ends_with_130_and_nothing_changed() {
    for (command, signal) in [("check", "INT"), ("plan", "TERM"), ("up", "HUP"), ("status", "INT")] {
        let folder = with_ssh("touch \"$0.begun\"; exec sleep 20");
        let mut run = kuboard_ha();
        run.args([command, "inventories/one-machine.yaml"]).env("PATH", on_path(&folder));
        let child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let begun = folder.path().join("ssh.begun");
        while !begun.exists() {
            std::thread::yield_now();
        }
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        let output = check(child.wait_with_output().unwrap(), 130);
        let told = text(&output.stdout) + &text(&output.stderr);
        assert!(told.contains("interrupted") && told.contains("nothing was changed"), "{told}");
    }
}

#[test]
fn a_signal_that_was_ignored_from_the_start_stays_ignored() {
    let folder = with_ssh(
        "touch \"$0.begun\"; while [ ! -e \"$0.go\" ]; do sleep 0.1; done; \
         echo 'ssh: connect to host x port 22: Connection refused' >&2; exit 255",
    );
    let mut run = Command::new("nohup");
    run.args([env!("CARGO_BIN_EXE_kuboard-ha"), "check", "inventories/one-machine.yaml"]);
    run.current_dir(env!("CARGO_MANIFEST_DIR")).env("PATH", on_path(&folder));
    let child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !folder.path().join("ssh.begun").exists() {
        std::thread::yield_now();
    }
    let hangup = Command::new("kill").args(["-s", "HUP", &child.id().to_string()]).status().unwrap();
    assert!(hangup.success());
    std::fs::write(folder.path().join("ssh.go"), "").unwrap();
    let told = text(&check(child.wait_with_output().unwrap(), 4).stderr);
    assert!(!told.contains("interrupted"), "{told}");
}

#[test]
fn status_waits_for_slow_hosts_and_not_for_dead_ones() {
    let folder = with_ssh(
        r#"for word in "$@"; do case $word in ConnectTimeout=*) patience=${word#*=} ;; esac; last=$word; done
log=$(printf '%s\n' "$@" | sed -n '/^-E$/{n;p;}')
case $last in
10.99.16.11) sleep 5.5; echo 'Permission denied (publickey).' >"$log" ;;
10.99.16.13) echo 'Permission denied (publickey).' >"$log" ;;
*) sleep "$patience"; echo "ssh: connect to host $last port 22: Connection timed out" >"$log" ;;
esac
touch "$0.$last"
exit 255"#,
    );
    let mut run = kuboard_ha();
    run.args(["status", "inventories/manual.yaml", "-o", "json"]).env("PATH", on_path(&folder));
    let status = json(&check(run.output().unwrap(), 0));
    let why = |host: &str| status["hosts"][host]["why"].as_str().unwrap_or_default().to_owned();
    assert!(why("etcd1").contains("Permission denied"), "{}", why("etcd1"));
    assert!(why("etcd2").contains("timed out"), "{}", why("etcd2"));
    let ended = |host: &str| {
        let file = folder.path().join(format!("ssh.{host}"));
        std::fs::metadata(file).unwrap().modified().unwrap()
    };
    let gap = ended("10.99.16.11").duration_since(ended("10.99.16.12")).unwrap();
    assert!(gap.as_secs_f64() > 0.5, "the dead host was given up {gap:?} before the slow one");
}

#[test]
fn a_host_that_refuses_is_tried_thrice_and_told_in_the_same_words_everywhere() {
    let folder = with_ssh(REFUSED);
    let runs = ["check", "plan", "up"].map(|command| {
        let mut run = kuboard_ha();
        run.args([command, "inventories/manual.yaml", "-o", "plain"]).env("PATH", on_path(&folder));
        run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    });
    for run in runs {
        let output = check(run.wait_with_output().unwrap(), 4);
        // What was broken into lines is searched as one.
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (told, shown) = (text(&output.stderr), words(&text(&output.stdout)));
        for host in ["etcd1", "kuboard-2"] {
            let told = told.lines().filter(|line| line.contains(&format!("  {host} "))).collect::<Vec<_>>();
            let next =
                |line: &&str, words: &str| line.contains("connection refused") && line.ends_with(words);
            assert_eq!(told.len(), 3, "{told:?}");
            assert!(
                next(&told[0], "trying again (2 of 3)") && next(&told[1], "trying again (3 of 3)"),
                "{told:?}"
            );
            assert!(shown.contains(&format!("{host} cannot be reached: ssh to ")), "{shown}");
        }
        assert!(shown.contains("connection refused") && shown.contains("systemctl status ssh"), "{shown}");
    }
}

#[test]
fn a_run_for_programs_is_one_event_a_line_and_ends_with_its_outcome() {
    let folder = with_ssh(REFUSED);
    let mut run = kuboard_ha();
    run.args(["up", "inventories/one-machine.yaml", "-o", "json"]).env("PATH", on_path(&folder));
    let output = check(run.output().unwrap(), 4);
    let lines = text(&output.stdout);
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for event in &events {
        assert_eq!(event["schema"], "kuboard-ha.event/1");
        assert!(event["time"].as_str().unwrap().ends_with('Z') && event["kind"].is_string());
    }
    assert_eq!(events[0]["kind"], "run-started");
    let last = events.last().unwrap();
    assert_eq!((&last["kind"], &last["result"]), (&"outcome".into(), &"blocked".into()));
    assert_eq!((&last["changed"], &last["exit"]), (&0.into(), &4.into()));
}

#[test]
fn closed_streams_never_stop_a_run() {
    let folder = with_ssh(REFUSED);
    for form in ["auto", "json"] {
        let shell = format!(
            "exec {} up inventories/one-machine.yaml -o {form} >&- 2>&-",
            env!("CARGO_BIN_EXE_kuboard-ha")
        );
        let mut run = Command::new("sh");
        run.args(["-c", &shell]).current_dir(env!("CARGO_MANIFEST_DIR")).env("PATH", on_path(&folder));
        check(run.output().unwrap(), 4);

        let mut run = kuboard_ha();
        run.args(["up", "inventories/one-machine.yaml", "-o", form]).env("PATH", on_path(&folder));
        let mut child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().unwrap().code(), Some(4), "readers that left, {form}");
    }
}
