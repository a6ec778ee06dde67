//! What each fuzz target does with its bytes: whatever they are, nothing panics and what is promised holds.
//! `cargo +nightly fuzz run TARGET` feeds them for as long as you like, `tests/fuzz.rs` for a bounded while on stable.

use std::io::Write as _;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use kuboard_ha::artifact::{Kind, Limits, digests, image_names, inspect};
use kuboard_ha::causes;
use kuboard_ha::cli::output::report::problems_report;
use kuboard_ha::cli::output::text::Canvas;
use kuboard_ha::facts::{Facts, HostState, read::read, script::script};
use kuboard_ha::host::cancel::Cancel;
use kuboard_ha::host::session::{Session, SessionOptions};
use kuboard_ha::host::{Cmd, Deadlines, Host, HostError, Process};
use kuboard_ha::inventory::{Context, Inventory, Problem, load, masked};
use kuboard_ha::plan::plan;
use kuboard_ha::plan::script::{JobScript, StepScript, script as job_script};
use kuboard_ha::resource::{HostName, Sha256Digest};
use kuboard_ha::secret::SecretId;
use kuboard_ha::services::{Service, explain, looks};
use kuboard_ha::status::status;

/// Takes any bytes, and panics where it should not have to.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: [(&str, Target); 6] = [
    ("inventory", inventory),
    ("look", look),
    ("evidence", evidence),
    ("facts", facts),
    ("archive", archive),
    ("frames", frames),
];

/// The text of an inventory: read, and every problem shown; a good one is planned for.
pub fn inventory(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match loaded(&text) {
        Ok(inventory) => planned(&inventory, &unseen(&inventory)),
        Err(problems) => {
            assert!(!problems.is_empty());
            // For YAML a carriage return alone ends a line, too.
            let lines = text.matches(['\n', '\r']).count() + 1;
            for problem in &problems {
                assert!(text.get(problem.span.clone()).is_some(), "{problem:?}");
                assert!((1..=lines).contains(&problem.line) && problem.column >= 1, "{problem:?}");
            }
            let shown = masked(&text, &problems);
            assert_eq!(shown.len(), text.len());
            let report = problems_report("inventory.yaml", &shown, &problems, &Canvas::PLAIN);
            assert!(report.len() < 1 << 20, "the report has {} bytes", report.len());
        }
    }
}

/// What a host's look printed: read as facts, which survive being saved, and planned for.
pub fn look(bytes: &[u8]) {
    let inventory = &*SAMPLE;
    let text = String::from_utf8_lossy(bytes);
    let mut facts = unseen(inventory);
    for host in inventory.hosts.keys() {
        let (seen, _) = read(&looks(inventory, host), &text);
        facts.hosts.insert(host.clone(), HostState::Reached(Box::new(seen)));
    }
    planned(inventory, &facts);
}

/// What a host shows where a service does not come up, after what the step itself printed: whatever it is, it is told in
/// lines, and a cause says what and what helps.
pub fn evidence(bytes: &[u8]) {
    let inventory = &*SAMPLE;
    let text = String::from_utf8_lossy(bytes);
    let (output, look) = text.split_at(text.find("= ").unwrap_or(text.len()));
    for host in inventory.hosts.keys().step_by(4) {
        for service in Service::ALL.into_iter().map(Some).chain([None]) {
            let scene = service.map(|service| service.scene(inventory, host)).unwrap_or_default();
            let seen = causes::read(&scene, look, output);
            for line in causes::told(&seen) {
                assert!(!line.contains('\n'), "{line:?}");
            }
            for evidence in [&seen, &seen.widened()] {
                evidence.attempts();
                if let Some(cause) = explain(service, inventory, evidence) {
                    assert!(!cause.code.is_empty() && !cause.message.is_empty(), "{cause:?}");
                    assert!(!cause.hint.is_empty(), "no way out: {cause:?}");
                }
            }
        }
    }
}

/// Facts that were saved: refused, or planned for.
pub fn facts(bytes: &[u8]) {
    if let Ok(facts) = serde_json::from_slice::<Facts>(bytes) {
        planned(&SAMPLE, &facts);
    }
}

/// An archive: refused, or what it lists stays inside whatever folder it is unpacked to.
pub fn archive(bytes: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().expect("a file in the temporary folder");
    file.write_all(bytes).expect("room in the temporary folder");
    let limits = Limits { bytes: 8 << 20, entries: 1000, ..Limits::default() };
    if let Ok(listing) = inspect(file.path(), limits) {
        let plain = |name: &str| {
            !name.starts_with('/') && name.split('/').all(|part| part != ".." && !part.is_empty())
        };
        for (name, kind) in &listing.members {
            assert!(plain(name), "{name:?}");
            match kind {
                Kind::Symlink { target } => assert!(!target.starts_with('/'), "{name:?} -> {target:?}"),
                Kind::HardLink { target } => assert!(plain(target), "{name:?} -> {target:?}"),
                Kind::File { .. } | Kind::Folder => {}
            }
        }
        let files: Vec<&str> = listing.members.keys().map(String::as_str).take(3).collect();
        let _ = digests(file.path(), &files);
    }
    let _ = image_names(file.path());
}

/// What a host says over its resident shell: whatever it is, each request ends, and never with what was not asked.
pub fn frames(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let said = [b"kuboard-ha hello 1\n\nready 1700000000\n".as_slice(), bytes].concat();
        // Whatever comes before the greeting is a login's noise.
        let noise = [bytes, b"\nkuboard-ha hello 1\n"].concat();
        let _ = Session::open(&Far(noise), options()).await;
        let open = || async { Session::open(&Far(said.clone()), options()).await.expect("it said hello") };
        let _ = open().await.gather("true", Duration::from_secs(1)).await;
        let _ = open().await.lease().await;
        let step = || StepScript { text: "true".into(), limit: Duration::from_secs(1), waits: false };
        let guards = vec![("a guard".to_owned(), "true".to_owned())];
        let job = JobScript { id: "j".into(), guards, steps: vec![step(), step()] };
        let _ = open().await.job(&job, &Cancel::new(), &mut |_| {}).await;
        let _ = open().await.read_secret(&SecretId::new("s")).await;
        let digest = Sha256Digest::of(b"x");
        let _ = open().await.receive("/x", 1, &digest, &mut b"x".as_slice(), &mut |_| {}).await;
        let _ = open().await.close().await;
    });
}

/// An inventory with everything: each service, a balancer, secrets.
static SAMPLE: LazyLock<Inventory> = LazyLock::new(|| {
    let text = include_str!("../../inventories/two-balancers.yaml");
    loaded(text).expect("the sample is valid")
});

fn loaded(text: &str) -> Result<Inventory, Vec<Problem>> {
    let read = |_: &Path| Err("no such file".to_owned());
    load(text, &Context { folder: Path::new("/srv"), home: None, read: &read }).map(|loaded| loaded.inventory)
}

/// No host answered.
fn unseen(inventory: &Inventory) -> Facts {
    let silent = |host: &HostName| (host.clone(), HostState::unreachable("no route to host"));
    Facts { hosts: inventory.hosts.keys().map(silent).collect(), ..Facts::default() }
}

/// Everything pure that is made of an inventory and facts; the same twice.
fn planned(inventory: &Inventory, facts: &Facts) {
    for host in inventory.hosts.keys() {
        script(&looks(inventory, host));
    }
    let planning = plan(inventory, facts);
    let text = |planning| serde_json::to_string(planning).expect("a plan can be written");
    assert_eq!(text(&planning), text(&plan(inventory, facts)), "planning is not pure");
    for job in &planning.plan.jobs {
        job_script(job, inventory.transfer);
    }
    status(inventory, facts, &planning);
    let saved = serde_json::to_string(facts).expect("facts can be saved");
    assert!(
        serde_json::from_str::<Facts>(&saved).is_ok_and(|read| read == *facts),
        "facts do not survive: {saved}"
    );
}

/// A host whose shell says these bytes and ends.
struct Far(Vec<u8>);

fn options() -> SessionOptions {
    SessionOptions::new("demo", "r1", "")
}

impl Host for Far {
    fn name(&self) -> &HostName {
        static NAME: LazyLock<HostName> = LazyLock::new(|| HostName::new("far"));
        &NAME
    }

    fn spawn(&self, _: &Cmd, _: &Deadlines) -> BoxFuture<'_, Result<Process, HostError>> {
        let stdout = std::io::Cursor::new(self.0.clone());
        let process = Process {
            stdin: Box::pin(tokio::io::sink()),
            stdout: Box::pin(stdout),
            stderr: Box::pin(tokio::io::empty()),
        };
        async { Ok(process) }.boxed()
    }
}
