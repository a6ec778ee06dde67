//! What every host must keep, whatever carries it: run over this machine's shells and over a real sshd.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use kuboard_ha::host::cancel::Cancel;
use kuboard_ha::host::session::{Frame, JobEnd, Lease, Session, SessionOptions};
use kuboard_ha::host::{Host, HostErrorKind};
use kuboard_ha::plan::script::{JobScript, StepScript, quote};
use kuboard_ha::resource::Sha256Digest;
use kuboard_ha::secret::{Secret, SecretId};
use tempfile::TempDir;

/// A host under test, with folders of its own in place of `/var/lib` and `/run`.
pub struct Site {
    pub host: Box<dyn Host>,
    pub interpreter: String,
    pub root: TempDir,
}

impl Site {
    pub fn new(host: impl Host + 'static, interpreter: &str) -> Self {
        let root = tempfile::Builder::new().prefix("kh-site").tempdir().unwrap();
        Self { host: Box::new(host), interpreter: interpreter.to_owned(), root }
    }

    pub fn options(&self, run: &str) -> SessionOptions {
        let mut options = SessionOptions::new("demo", run, "greet() { printf 'hello %s\\n' \"$1\"; }");
        options.state_root = self.path("state");
        options.run_root = self.path("run");
        options.interpreter.clone_from(&self.interpreter);
        options
    }

    pub fn path(&self, name: &str) -> String {
        self.root.path().join(name).to_str().unwrap().to_owned()
    }

    pub async fn open(&self, run: &str) -> Session {
        Session::open(self.host.as_ref(), self.options(run)).await.unwrap()
    }

    pub async fn leased(&self, run: &str) -> Session {
        let mut session = self.open(run).await;
        assert_eq!(session.lease().await.unwrap(), Lease::Leased { stale: false });
        session
    }
}

/// Runs every clause of the contract, side by side.
pub async fn all(site: &dyn Fn() -> Site) {
    tokio::join!(
        async { looks_and_leaves_no_trace(&site()).await },
        async { output_cannot_forge_frames(&site()).await },
        async { hostile_values_arrive_as_they_are(&site()).await },
        async { steps_tell_their_status_and_whether_they_changed_anything(&site()).await },
        async { a_hung_step_is_killed_at_its_limit_with_its_children(&site()).await },
        async { a_step_that_ignores_signals_is_killed_too(&site()).await },
        async { a_wish_to_stop_is_heard_between_steps(&site()).await },
        async { one_run_at_a_time(&site()).await },
        async { the_lease_outlives_a_killed_shell(&site()).await },
        async { what_an_orphan_does_during_a_look_makes_it_stale(&site()).await },
        async { a_step_that_cannot_be_written_down_is_not_begun(&site()).await },
        async { what_a_step_leaves_behind_does_not_keep_the_lease(&site()).await },
        async { guards_fence(&site()).await },
        async { a_large_job_arrives(&site()).await },
        async { a_large_file_arrives_and_is_verified(&site()).await },
        async { a_file_is_on_the_disk_before_it_has_its_name(&site()).await },
        async { secrets_stay_out_of_sight(&site()).await },
    );
    // Alone, for here it counts how long nothing is said.
    a_shell_that_hears_nothing_gives_the_lease_back(&site()).await;
}

pub fn job(steps: &[(&str, u64)]) -> JobScript {
    JobScript {
        id: "job@here".to_owned(),
        guards: Vec::new(),
        steps: steps
            .iter()
            .map(|(text, limit)| StepScript {
                text: (*text).to_owned(),
                limit: Duration::from_secs(*limit),
                waits: false,
            })
            .collect(),
    }
}

pub async fn run(session: &mut Session, script: &JobScript) -> (JobEnd, Vec<Frame>) {
    let mut frames = Vec::new();
    let end = session.job(script, &Cancel::new(), &mut |frame| frames.push(frame.clone())).await.unwrap();
    (end, frames)
}

fn output(text: &str) -> Frame {
    Frame::Output(text.to_owned())
}

/// Waits for what must come; panics when it does not.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "in 20 s it did not come about that {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn looks_and_leaves_no_trace(site: &Site) {
    let mut session = site.open("r1").await;
    let look = session
        .gather(
            "greet you; echo \"$CLUSTER $RUN\"; read -r x || echo no input; printf 'no end'; exit 3",
            limit(5),
        )
        .await
        .unwrap();
    assert_eq!(look.text, "hello you\ndemo r1\nno input\nno end");
    assert_eq!((look.rc, &look.holder), (3, &None));
    tells_the_clock_of_this_machine(&session);
    // What it prints counts by its size: nothing in it passes for a frame, and nothing gets lost.
    let forger = "printf '\\nend 0 0 yes\\n\\ngathered 7 0 \\n|x\\r\\n0\\n1\\n'; (echo bye >&3) 2>/dev/null; echo \"\u{e9}\"";
    let look = session.gather(forger, limit(5)).await.unwrap();
    assert_eq!((look.rc, look.text.as_str()), (0, "\nend 0 0 yes\n\ngathered 7 0 \n|x\r\n0\n1\n\u{e9}\n"));
    let silent = session.gather(":", limit(5)).await.unwrap();
    assert_eq!((silent.rc, silent.text.as_str()), (0, ""));
    let hung = session.gather("echo so far; sleep 60", limit(1)).await.unwrap();
    assert_eq!((hung.rc, hung.text.as_str()), (124, "so far\n"));
    session.close().await.unwrap();
    assert!(!Path::new(&site.path("state")).exists() && !Path::new(&site.path("run")).exists());
}

/// The host's clock is ours; what is read of it may not differ by more than it is doubted.
pub fn tells_the_clock_of_this_machine(session: &Session) {
    let clock = session.clock().unwrap();
    let doubt = u64::try_from(clock.doubt.as_millis()).unwrap_or(u64::MAX);
    assert!(clock.offset_ms.unsigned_abs() <= doubt + 5, "{clock:?}");
}

async fn output_cannot_forge_frames(site: &Site) {
    let mut session = site.leased("r1").await;
    let forger =
        "printf '\\nend 0 0 yes\\n\\nbye\\n|x\\r\\n'; (echo end 0 0 yes >&3) 2>/dev/null || echo shut 3
        (echo x >&4) 2>/dev/null || echo shut 4; printf 'end 0 0 yes'; exit 5";
    let (end, frames) = run(&mut session, &job(&[(forger, 5)])).await;
    assert!(matches!(end, JobEnd::Failed { step: 0, rc: 5, .. }), "{end:?}");
    let expected = ["", "end 0 0 yes", "", "bye", "|x\r", "shut 3", "shut 4", "end 0 0 yes"];
    let mut all: Vec<_> = vec![Frame::Begin(0)];
    all.extend(expected.map(output));
    all.extend([Frame::End(0, 5, true), Frame::Done]);
    assert_eq!(frames, all);
    session.close().await.unwrap();
}

async fn hostile_values_arrive_as_they_are(site: &Site) {
    let hostile = "a'b\"c`touch x`$(touch x)\\n\\\\ $HOME !! * ~ ; & | > <\n#kuboard-ha end\ntab\there \u{fc}\u{4e2d}%s";
    let mut session = site.leased("r1").await;
    let print = format!("printf '%s' {}", quote(hostile));
    assert_eq!(session.gather(&print, limit(5)).await.unwrap().text, hostile);
    let (end, frames) = run(&mut session, &job(&[(&print, 5)])).await;
    assert_eq!(end, JobEnd::Done);
    let lines: Vec<_> = frames
        .iter()
        .filter_map(|f| if let Frame::Output(l) = f { Some(l.as_str()) } else { None })
        .collect();
    assert_eq!(lines.join("\n"), hostile);
    session.close().await.unwrap();
}

async fn steps_tell_their_status_and_whether_they_changed_anything(site: &Site) {
    let mut session = site.leased("r1").await;
    let script = job(&[("greet one", 5), ("unchanged", 5), ("if then", 5), ("echo never", 5)]);
    let (end, frames) = run(&mut session, &script).await;
    assert!(matches!(end, JobEnd::Failed { step: 2, rc, .. } if rc != 0), "{end:?}");
    assert!(frames.contains(&Frame::End(0, 0, true)) && frames.contains(&Frame::End(1, 0, false)));
    assert!(!frames.contains(&Frame::Begin(3)), "{frames:?}");
    // A failed job does not spoil the next; -e and -u hold inside functions and after groups.
    let (end, _) = run(&mut session, &job(&[("f() { false; echo on; }; f; echo on", 5)])).await;
    assert_eq!(end, JobEnd::Failed { step: 0, rc: 1, output: String::new() });
    let (end, _) = run(&mut session, &job(&[("echo \"$unset_variable\"", 5)])).await;
    assert!(matches!(end, JobEnd::Failed { step: 0, .. }), "{end:?}");
    let (end, _) = run(&mut session, &job(&[("greet two", 5)])).await;
    assert_eq!(end, JobEnd::Done);
    session.close().await.unwrap();
}

async fn a_hung_step_is_killed_at_its_limit_with_its_children(site: &Site) {
    let mut session = site.leased("r1").await;
    let pids = site.path("pids");
    let hang =
        format!("sleep 600 & echo $! >{pids}; (echo $$; exec sleep 600) & echo $! >>{pids}; echo here; wait");
    let begun = Instant::now();
    let (end, _) = run(&mut session, &job(&[(&hang, 1)])).await;
    assert_eq!(end_of(&end), (0, 124));
    assert!(
        matches!(&end, JobEnd::Failed { output, .. } if output.starts_with("here") || output.contains("\nhere"))
    );
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let pids = std::fs::read_to_string(&pids).unwrap();
    assert_eq!(pids.lines().count(), 2);
    for pid in pids.lines() {
        eventually("a hung step's child is dead", || !is_running(pid)).await;
    }
    let (end, _) = run(&mut session, &job(&[("greet again", 5)])).await;
    assert_eq!(end, JobEnd::Done);
    session.close().await.unwrap();
}

async fn a_step_that_ignores_signals_is_killed_too(site: &Site) {
    let mut session = site.leased("r1").await;
    let (end, _) = run(&mut session, &job(&[("trap '' TERM; while :; do sleep 1 || true; done", 1)])).await;
    assert_eq!(end_of(&end), (0, 124));
    session.close().await.unwrap();
}

async fn a_wish_to_stop_is_heard_between_steps(site: &Site) {
    let mut session = site.leased("r1").await;
    let cancel = Cancel::new();
    // The step ends only once the wish has arrived.
    let script =
        job(&[("until [ -s \"$WORK/stop\" ]; do sleep 0.05; done; echo whole", 20), ("echo never", 5)]);
    let mut frames = Vec::new();
    let end = session
        .job(&script, &cancel, &mut |frame| {
            if *frame == Frame::Begin(0) {
                cancel.cancel();
            }
            frames.push(frame.clone());
        })
        .await
        .unwrap();
    assert_eq!(end, JobEnd::Stopped { next: 1 });
    assert!(frames.contains(&output("whole")) && frames.contains(&Frame::End(0, 0, true)), "{frames:?}");
    session.close().await.unwrap();
    // And it is gone: the lease is free at once.
    site.leased("r2").await.close().await.unwrap();
}

async fn one_run_at_a_time(site: &Site) {
    let mut first = site.leased("r1").await;
    assert_eq!(first.lease().await.unwrap(), Lease::Leased { stale: false }, "asking again is no harm");
    let mut second = site.open("r2").await;
    let look = second.gather(":", limit(5)).await.unwrap();
    let holder = look.holder.unwrap();
    assert_eq!((holder.run.as_str(), holder.step.as_str()), ("r1", "-"));
    assert_eq!(first.gather(":", limit(5)).await.unwrap().holder, None, "it is our own");
    let gate = site.path("gate");
    let slow = format!("until [ -e {gate} ]; do sleep 0.05; done");
    let script = job(&[(&slow, 30)]);
    let never = Cancel::new();
    let mut during = |_: &Frame| {};
    let working = first.job(&script, &never, &mut during);
    let asking = async {
        loop {
            match second.lease().await.unwrap() {
                Lease::Busy(holder) if holder.step == "job@here/0" => break holder,
                Lease::Busy(_) => {}
                Lease::Leased { .. } => panic!("two runs hold one lease"),
            }
        }
    };
    let opener = async {
        let holder = asking.await;
        std::fs::write(&gate, "").unwrap();
        holder
    };
    let (end, holder) = tokio::join!(working, opener);
    assert_eq!(end.unwrap(), JobEnd::Done);
    assert_eq!((holder.run.as_str(), holder.limit), ("r1", 30));
    assert!(holder.since > 1_600_000_000, "{holder:?}");
    first.close().await.unwrap();
    // The first began another step since the second had looked.
    assert_eq!(second.lease().await.unwrap(), Lease::Leased { stale: true });
    second.close().await.unwrap();
}

async fn the_lease_outlives_a_killed_shell(site: &Site) {
    let mut session = site.leased("r1").await;
    let (pid, gate) = (site.path("pid"), site.path("gate"));
    // The parent of a step's parent (timeout) is the resident shell.
    let step = format!(
        "read -r _ _ _ shell _ </proc/$PPID/stat; echo $shell >{pid}.new; mv {pid}.new {pid}
        until [ -e {gate} ]; do sleep 0.05; done"
    );
    let script = job(&[(&step, 60)]);
    let never = Cancel::new();
    let mut silent = |_: &Frame| {};
    let working = session.job(&script, &never, &mut silent);
    let killing = async {
        eventually("the step runs", || Path::new(&pid).exists()).await;
        kill_9(std::fs::read_to_string(&pid).unwrap().trim());
    };
    let (end, ()) = tokio::join!(working, killing);
    assert_eq!(end.unwrap_err().kind, HostErrorKind::Disconnected);
    let mut next = site.open("r2").await;
    let Lease::Busy(holder) = next.lease().await.unwrap() else {
        panic!("an orphan works, and nobody waits for it")
    };
    assert_eq!((holder.run.as_str(), holder.step.as_str()), ("r1", "job@here/0"));
    std::fs::write(&gate, "").unwrap();
    lease_in_the_end(&mut next).await;
    next.close().await.unwrap();
}

async fn what_an_orphan_does_during_a_look_makes_it_stale(site: &Site) {
    let mut first = site.leased("r1").await;
    let (begun, gate) = (site.path("begun"), site.path("gate"));
    let step = format!(": >{begun}; until [ -e {gate} ]; do sleep 0.05; done");
    let (script, never) = (job(&[(&step, 60)]), Cancel::new());
    let mut second = site.open("r2").await;
    let mut silent = |_: &Frame| {};
    let working = first.job(&script, &never, &mut silent);
    let vanishing = eventually("the step runs", || Path::new(&begun).exists());
    tokio::select! {
        _ = working => panic!("the step ends by itself"),
        () = vanishing => {}
    }
    drop(first);
    // The look begins while the orphan is at work, and ends after it.
    let lock = format!("{}/lease", second.state());
    let text = format!(": >{gate}; until flock -n {lock} true; do sleep 0.05; done");
    assert_eq!(second.gather(&text, limit(20)).await.unwrap().rc, 0);
    assert_eq!(second.lease().await.unwrap(), Lease::Leased { stale: true });
    second.close().await.unwrap();
}

async fn a_step_that_cannot_be_written_down_is_not_begun(site: &Site) {
    let mut session = site.leased("r1").await;
    let (holder, done) = (format!("{}/holder", session.state()), site.path("done"));
    let spoil = format!("rm {holder}; mkdir {holder}");
    let script = job(&[(&spoil, 5), (&format!(": >{done}"), 5)]);
    let (never, mut silent) = (Cancel::new(), |_: &Frame| {});
    let error = session.job(&script, &never, &mut silent).await.unwrap_err();
    assert_eq!(error.kind, HostErrorKind::Broken, "{error:?}");
    assert!(!Path::new(&done).exists());
    let error = site.open("r2").await.lease().await.unwrap_err();
    assert_eq!(error.kind, HostErrorKind::Broken, "{error:?}");
    std::fs::remove_dir(&holder).unwrap();
    let mut third = site.open("r3").await;
    lease_in_the_end(&mut third).await;
    third.close().await.unwrap();
}

/// Asks until the lease is ours.
pub async fn lease_in_the_end(session: &mut Session) {
    let begun = Instant::now();
    while let Lease::Busy(holder) = session.lease().await.unwrap() {
        assert!(begun.elapsed() < Duration::from_secs(20), "after 20 s {holder:?} still has the lease");
    }
}

async fn what_a_step_leaves_behind_does_not_keep_the_lease(site: &Site) {
    let mut session = site.leased("r1").await;
    let pid = site.path("pid");
    let begun = Instant::now();
    let (end, _) = run(&mut session, &job(&[(&format!("sleep 600 & echo $! >{pid}"), 20)])).await;
    assert_eq!(end, JobEnd::Done);
    session.close().await.unwrap();
    site.leased("r2").await.close().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(15));
    kill_9(std::fs::read_to_string(&pid).unwrap().trim());
}

async fn a_shell_that_hears_nothing_gives_the_lease_back(site: &Site) {
    let mut options = site.options("r1");
    // Shorter than the time between our pings.
    options.watchdog = Duration::from_secs(3);
    let mut session = Session::open(site.host.as_ref(), options).await.unwrap();
    assert_eq!(session.lease().await.unwrap(), Lease::Leased { stale: false });
    // A step may take longer than that.
    let (end, _) = run(&mut session, &job(&[("sleep 3.5", 20)])).await;
    assert_eq!(end, JobEnd::Done);
    let mut next = site.open("r2").await;
    lease_in_the_end(&mut next).await;
    assert_eq!(session.gather(":", limit(5)).await.unwrap_err().kind, HostErrorKind::Disconnected);
    next.close().await.unwrap();
}

async fn guards_fence(site: &Site) {
    let mut session = site.leased("r1").await;
    let mut script = job(&[("echo never", 5)]);
    script.guards = vec![
        ("the sky is up".to_owned(), "true".to_owned()),
        ("no data in /x".to_owned(), "echo found a file; false; true".to_owned()),
        ("later".to_owned(), "echo later".to_owned()),
    ];
    let (end, frames) = run(&mut session, &script).await;
    assert_eq!(end, JobEnd::Fenced { guard: "no data in /x".into(), output: "found a file\n".into() });
    assert_eq!(frames, [output("found a file"), Frame::Fenced(1), Frame::Done]);
    script.guards.truncate(1);
    assert_eq!(run(&mut session, &script).await.0, JobEnd::Done);
    session.close().await.unwrap();
}

async fn a_large_job_arrives(site: &Site) {
    let mut session = site.leased("r1").await;
    let large: String = (0..2 * 1024 * 1024 / 32).map(|n| format!("{n:030}'\n")).collect();
    let text = format!("text={}\nprintf '%s' \"$text\" | sha256sum", quote(&large));
    let (end, frames) = run(&mut session, &job(&[(&text, 30)])).await;
    assert_eq!(end, JobEnd::Done);
    assert!(frames.contains(&output(&format!("{}  -", Sha256Digest::of(large.as_bytes())))), "{frames:?}");
    session.close().await.unwrap();
}

async fn a_large_file_arrives_and_is_verified(site: &Site) {
    let mut session = site.open("r1").await;
    let bytes: Vec<u8> =
        (0..20 * 1024 * 1024 + 7_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
    let (digest, length) = (Sha256Digest::of(&bytes), bytes.len() as u64);
    let path = site.path("stage/archive");
    // As a shell leaves it that is killed in the middle.
    std::fs::create_dir_all(site.path("stage")).unwrap();
    std::fs::write(site.path("stage/archive.4711.part"), &bytes[..4711]).unwrap();
    let mut told = 0;
    session.receive(&path, length, &digest, &mut bytes.as_slice(), &mut |done| told = done).await.unwrap();
    assert_eq!(told, length);
    assert!(std::fs::read(&path).unwrap() == bytes);
    // Once it is there, nothing is read any more.
    session.receive(&path, length, &digest, &mut tokio::io::empty(), &mut |_| {}).await.unwrap();
    let other = site.path("stage/other");
    let damaged = session.receive(&other, 7, &digest, &mut &b"7 bytes"[..], &mut |_| {}).await.unwrap_err();
    assert_eq!(damaged.kind, HostErrorKind::Damaged);
    let small = Sha256Digest::of(b"7 bytes");
    session.receive(&other, 7, &small, &mut &b"7 bytes"[..], &mut |_| {}).await.unwrap();
    let nowhere =
        session.receive("/dev/null/x", 7, &small, &mut &b"7 bytes"[..], &mut |_| {}).await.unwrap_err();
    assert_eq!(nowhere.kind, HostErrorKind::Broken, "{nowhere}");
    let mut left: Vec<_> =
        std::fs::read_dir(site.path("stage")).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["archive", "other"]);
}

async fn a_file_is_on_the_disk_before_it_has_its_name(site: &Site) {
    let (bin, told, path) = (site.path("bin"), site.path("told"), site.path("stage/archive"));
    let sync =
        format!("#!/bin/sh\n[ -e {path} ] || for file; do echo \"$file $(cat \"$file\")\"; done >>{told}\n");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::write(format!("{bin}/sync"), sync).unwrap();
    std::fs::set_permissions(format!("{bin}/sync"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut options = site.options("r1");
    options.interpreter = format!("env PATH={bin}:/usr/sbin:/usr/bin:/sbin:/bin {}", site.interpreter);
    let mut session = Session::open(site.host.as_ref(), options).await.unwrap();
    let digest = Sha256Digest::of(b"7 bytes");
    session.receive(&path, 7, &digest, &mut &b"7 bytes"[..], &mut |_| {}).await.unwrap();
    session.close().await.unwrap();
    let told = std::fs::read_to_string(told).unwrap_or_default();
    assert!(told.starts_with(&path) && told.ends_with(".part 7 bytes\n"), "{told:?}");
}

async fn secrets_stay_out_of_sight(site: &Site) {
    let mut session = site.leased("r1").await;
    let (id, value) = (SecretId::new("tls-key"), Secret::new("-----\npoison-7f3a'\"$x\n-----\n".to_owned()));
    assert_eq!(session.read_secret(&id).await.unwrap(), None);
    session.put_secret(&id, &value).await.unwrap();
    let step = r#"stat -c %a "$WORK" "$WORK/secret.tls-key"
        grep -qaF -f "$WORK/secret.tls-key" /proc/[0-9]*/cmdline /proc/[0-9]*/environ && exit 9
        mkdir -p "$STATE/secrets"; mv "$WORK/secret.tls-key" "$STATE/secrets/tls-key""#;
    let (end, frames) = run(&mut session, &job(&[(step, 20)])).await;
    assert_eq!(end, JobEnd::Done, "{frames:?}");
    assert_eq!(frames[1..3], [output("700"), output("600")]);
    assert_eq!(session.read_secret(&id).await.unwrap(), Some(value));
    session.close().await.unwrap();
    assert!(!Path::new(&site.path("run/.work-demo")).exists(), "work in progress goes with the shell");
}

fn limit(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn end_of(end: &JobEnd) -> (usize, i32) {
    match end {
        JobEnd::Failed { step, rc, .. } => (*step, *rc),
        other => panic!("{other:?}"),
    }
}

pub fn is_running(pid: &str) -> bool {
    // A zombie is dead; its parent may take its time.
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}

pub fn kill_9(pid: &str) {
    assert!(pid.parse::<u32>().is_ok_and(|pid| pid > 1), "{pid:?} is no process");
    assert!(std::process::Command::new("kill").args(["-9", pid]).status().unwrap().success());
}
