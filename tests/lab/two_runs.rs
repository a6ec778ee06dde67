//! Two runs at once from two machines, runs that are killed or interrupted at a terminal, and a host whose clock is
//! wrong; all through a bastion, for what ends at the terminal must not end there.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::course::Course;
use crate::lab::{Image, Lab};
use crate::poll::until;
use crate::tool::Outcome;

/// Holds every restart on a host for as long as the gate is shut.
const SHIM: &str = r#"cat >/usr/local/sbin/systemctl <<'SHIM'
#!/bin/sh
case " $* " in *" restart "*) : >/run/held; while [ -e /run/gate ]; do sleep 0.05; done ;; esac
exec /usr/bin/systemctl "$@"
SHIM
chmod 755 /usr/local/sbin/systemctl"#;
const HELD: &str = "node-2";

#[test]
fn two_runs_from_two_machines() {
    let lab = Lab::boot("mo", "10.99.36", Image::Full, "three", |text| {
        text.replace("ssh: { user: root,", "ssh: { user: root, proxy_jump: root@10.99.36.11,").replace(
            "  version: 3.5.6\n",
            "  version: 3.5.6\n  settings: { ETCD_SNAPSHOT_COUNT: \"20000\" }\n",
        )
    });
    let mut course = Course::new(&lab);
    course.must("of two first runs one builds, and the other says who is at work", first_runs);
    course.step("a host whose clock is hours off is told of, and nothing depends on it", wrong_clock);
    course.step("what a killed run was at is waited for, and its leftovers are swept", orphan);
    course.step("Ctrl-C at a terminal ends the run between steps, a second one at once", terminal);
    course.step("SIGTERM and SIGHUP end the run between steps, and the next one goes on", signals);
    course.step("a closed stdout and stderr do not stop a run", closed);
    course.end();
}

fn first_runs(lab: &Lab) {
    let one = lab.start(&["up", "-o", "json"]);
    let two = lab.start_from("elsewhere", &["up", "-o", "json"]);
    let (one, two) = std::thread::scope(|scope| {
        let two = scope.spawn(|| two.finish());
        (one.finish(), two.join().unwrap())
    });
    lab.keep(&one);
    lab.keep(&two);
    let (builder, other) = if one.code == Some(0) { (one, two) } else { (two, one) };
    assert_eq!(builder.exits(0).last_event()["result"], "converged");
    let other = other.exits(9);
    other.says("is locked by run");
    lab.up().says("nothing changed");
}

fn wrong_clock(lab: &Lab) {
    // The hosts of a lab share this machine's clock; what they ask for the time is `date`.
    let shim = "printf '#!/bin/sh\\nexec /bin/date -d \"%s\" \"$@\"\\n' '+3 hours' >/usr/local/sbin/date; \
                chmod 755 /usr/local/sbin/date";
    lab.exec("node-3", shim);
    lab.run(&["check"]).exits(0).says("clock");
    lab.up().says("nothing changed");
    lab.exec("node-3", "rm /usr/local/sbin/date");
}

fn orphan(lab: &Lab) {
    does_not_lead(lab);
    held(lab, "20000", "30000");
    let mut killed = lab.start(&["up", "-o", "json"]);
    wait_for_step(lab);
    let folders = format!("kuha-{}-", killed.pid());
    assert!(!in_tmp(&folders).is_empty());
    killed.kill();
    lab.keep(&killed.finish());
    let mut next = lab.start_from("elsewhere", &["up", "-o", "json"]);
    while let Some(event) = next.next_event() {
        assert_ne!(event["kind"], "step-started", "a step beside the orphan's");
        if event["kind"] == "lease-awaited" {
            let holder = event["holder"].as_str().unwrap();
            assert!(holder.starts_with("run ") && holder.contains(", at etcd."), "{event}");
            break;
        }
    }
    open(lab);
    let next = next.finish();
    lab.keep(&next);
    assert_eq!(next.exits(0).last_event()["result"], "converged");
    lab.up().says("nothing changed");
    // Connections of the killed run end by themselves within seconds; the next run removes their folders.
    until(Duration::from_secs(20), "nothing of the killed run is left in the temporary folder", || {
        lab.run(&["status", "-o", "json"]).exits(0);
        let left = in_tmp(&folders);
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}

/// The leader goes last: were it held, the next run would have nothing left to do.
fn does_not_lead(lab: &Lab) {
    let etcd = &lab.status()["etcd"];
    if etcd["leader"] == HELD {
        let members = etcd["members"].as_array().unwrap();
        let other = members.iter().find(|member| member["name"] != HELD).unwrap();
        lab.exec(HELD, &format!("etcdctl move-leader {}", other["id"].as_str().unwrap()));
    }
}

fn in_tmp(prefix: &str) -> Vec<String> {
    let tmp = std::env::var("XDG_RUNTIME_DIR").unwrap_or("/tmp".to_owned());
    let names =
        std::fs::read_dir(tmp).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(prefix)).collect()
}

fn terminal(lab: &Lab) {
    held(lab, "30000", "40000");
    let screen = Screen::start(lab);
    wait_for_step(lab);
    screen.interrupt();
    screen.shows("finishing the steps in hand");
    open(lab);
    let end = screen.end();
    end.says("no step was left half done");
    // Again, and at once; what runs then is an orphan.
    lab.exec(HELD, ": >/run/gate; rm -f /run/held");
    lab.inventory.edit("40000", "50000");
    let screen = Screen::start(lab);
    wait_for_step(lab);
    screen.interrupt();
    screen.shows("finishing the steps in hand");
    screen.interrupt();
    screen.end();
    lab.exec(HELD, "test -e /run/gate");
    open(lab);
    lab.up();
}

fn signals(lab: &Lab) {
    for (signal, from, to) in [("TERM", "50000", "51000"), ("HUP", "51000", "52000")] {
        does_not_lead(lab);
        held(lab, from, to);
        let mut up = lab.start(&["up", "-o", "json"]);
        wait_for_step(lab);
        up.signal(signal);
        while up.next_event().expect("it says that it heard")["kind"] != "interrupted" {}
        lab.exec(HELD, "test -e /run/gate");
        open(lab);
        let end = up.finish();
        lab.keep(&end);
        let end = end.exits(130);
        assert_eq!(end.last_event()["result"], "interrupted");
        let steps = |kind: &str| {
            let events = end.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let mut steps: Vec<String> = events
                .filter(|event| event["kind"] == kind)
                .map(|event| format!("{} {}", event["job"], event["step"]))
                .collect();
            steps.sort();
            steps
        };
        assert_eq!(steps("step-started"), steps("step-finished"), "a step was left half done");
        until(Duration::from_secs(10), "the lease is given back", || {
            lab.try_exec(
                HELD,
                "for lease in /var/lib/kuboard-ha/*/lease; do flock -n \"$lease\" true || exit 1; done",
            )
        });
        let next = lab.start(&["up", "-o", "json"]).finish();
        lab.keep(&next);
        assert_eq!(next.exits(0).last_event()["result"], "converged");
        lab.up().says("nothing changed");
    }
}

fn closed(lab: &Lab) {
    let up = format!("{} up {}", env!("CARGO_BIN_EXE_kuboard-ha"), lab.inventory.path().display());
    // A reader that leaves after a line, and nobody at all.
    for (from, to, output) in [
        ("52000", "60000", "-o json 2>&- | head -n 1"),
        ("60000", "61000", "-o plain 2>&1 | head -n 1"),
        ("61000", "62000", "-o plain >&- 2>&-"),
    ] {
        lab.inventory.edit(from, to);
        let script = format!("{up} {output}; exit \"${{PIPESTATUS[0]}}\"");
        let status = lab.with_variables(Command::new("bash").args(["-c", &script])).status().unwrap();
        assert_eq!(status.code(), Some(0), "{script}");
        lab.up().says("nothing changed");
    }
}

/// Changes a setting of etcd, and holds the run that brings it at a restart on one host.
fn held(lab: &Lab, from: &str, to: &str) {
    lab.exec(HELD, SHIM);
    lab.exec(HELD, ": >/run/gate; rm -f /run/held");
    lab.inventory.edit(from, to);
}

fn wait_for_step(lab: &Lab) {
    until(Duration::from_secs(40), "the restart is held", || lab.try_exec(HELD, "test -e /run/held"));
}

fn open(lab: &Lab) {
    lab.exec(HELD, "rm -f /run/gate");
}

/// `up --yes` in a terminal of its own.
struct Screen<'a> {
    lab: &'a Lab,
    socket: String,
}

impl<'a> Screen<'a> {
    fn start(lab: &'a Lab) -> Self {
        let socket = lab.file("tmux").to_string_lossy().into_owned();
        let screen = Self { lab, socket };
        let up = format!("{} up --yes {}", env!("CARGO_BIN_EXE_kuboard-ha"), lab.inventory.path().display());
        let state = lab.file("stty");
        let script = format!(
            "stty -g >{0}.before; {up}; echo \"ended with $?\"; stty -g >{0}.after; exec sleep 600",
            state.display()
        );
        let mut tmux =
            screen.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "50", "bash", "-c"]);
        let started = lab.with_variables(tmux.arg(script)).status().unwrap();
        assert!(started.success(), "tmux is missing: apt-get install tmux");
        screen
    }

    fn tmux(&self, arguments: &[&str]) -> Command {
        let mut tmux = Command::new("tmux");
        tmux.args(["-S", &self.socket]).args(arguments);
        tmux
    }

    fn ask(&self, arguments: &[&str]) -> String {
        let output = self.tmux(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn interrupt(&self) {
        self.ask(&["send-keys", "C-c"]);
    }

    fn shows(&self, words: &str) {
        until(Duration::from_secs(30), words, || {
            let screen = self.ask(&["capture-pane", "-p"]);
            let flat = screen.split_whitespace().collect::<Vec<_>>().join(" ");
            if flat.contains(words) { Ok(()) } else { Err(screen) }
        });
    }

    /// The run has ended with 130, and the terminal is as it was.
    fn end(self) -> Outcome {
        self.shows("ended with 130");
        assert_eq!(
            self.ask(&["display-message", "-p", "#{cursor_flag}"]).trim(),
            "1",
            "the cursor is hidden"
        );
        let state = |name: &str| std::fs::read_to_string(self.lab.file(name)).unwrap();
        until(Duration::from_secs(5), "stty was asked", || {
            if state("stty.after").is_empty() { Err(String::new()) } else { Ok(()) }
        });
        assert_eq!(state("stty.before"), state("stty.after"));
        let stdout = self.ask(&["capture-pane", "-p"]);
        self.ask(&["kill-server"]);
        Outcome {
            command: "up at a terminal".into(),
            code: Some(130),
            stdout,
            stderr: String::new(),
            seconds: 0.0,
        }
    }
}
