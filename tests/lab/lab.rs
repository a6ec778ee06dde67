//! A lab: hosts that are booted, hurt and looked into, and the program pointed at them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::etcd::Etcd;
use crate::inventory::InventoryFile;
use crate::poll::until;
use crate::tool::{Outcome, Running};

/// Two labs at once would only slow each other.
static TURN: Mutex<()> = Mutex::new(());

/// For `status`, whatever is dead.
const SOON: f64 = 5.0;

/// What the hosts bring along.
#[derive(Clone, Copy)]
pub enum Image {
    /// Everything that the distribution has.
    Full,
    /// No curl, python3, iptables, Docker, HAProxy, Keepalived.
    Bare,
}

/// The hosts of a test, taken down with it unless `KEEP_LAB` is set.
pub struct Lab {
    name: &'static str,
    /// The first three numbers of every address.
    network: &'static str,
    image: Image,
    /// How large a file system each host keeps its things on; `None` for all of this machine's disk.
    disk: Option<&'static str>,
    folder: PathBuf,
    /// What `up` reads.
    pub inventory: InventoryFile,
    /// All hosts, with their addresses.
    pub hosts: BTreeMap<String, String>,
    /// Further variables of the program.
    variables: BTreeMap<String, String>,
    /// Everything that the program printed.
    printed: Mutex<String>,
    /// Hosts that were killed, paused or cut off.
    hurt: Mutex<BTreeSet<String>>,
    _turn: MutexGuard<'static, ()>,
    _lock: File,
}

impl Lab {
    /// Boots fresh hosts, at `NETWORK.11` and on. Which, says the inventory that `write` makes of the lab's own one
    /// for that topology.
    pub fn boot(
        name: &'static str,
        network: &'static str,
        image: Image,
        topology: &str,
        write: impl FnOnce(String) -> String,
    ) -> Self {
        Self::boot_on(name, network, image, None, topology, write)
    }

    /// The same with a disk of its own for each host, of a size like `2G`: it can be full.
    pub fn boot_on(
        name: &'static str,
        network: &'static str,
        image: Image,
        disk: Option<&'static str>,
        topology: &str,
        write: impl FnOnce(String) -> String,
    ) -> Self {
        let mut lab = Self::prepare(name, network, image);
        lab.disk = disk;
        let text = lab.lab(&["inventory", topology]).unwrap_or_else(|why| unusable(&why));
        // Until its network exists, a lab's inventory names the default one.
        let text = write(text.replace("10.99.16.", &format!("{network}.")));
        lab.hosts = hosts_of(&text);
        lab.inventory.write(&text);
        lab.boot_all();
        lab
    }

    fn prepare(name: &'static str, network: &'static str, image: Image) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        // Another checkout's tests would take the same addresses.
        let lock = File::create(std::env::temp_dir().join("kuboard-ha-lab-tests.lock")).unwrap();
        if lock.try_lock().is_err() {
            eprintln!("waiting: another run of these tests is on this machine");
            lock.lock().unwrap();
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab");
        std::fs::create_dir_all(folder.join(name)).unwrap();
        let inventory = InventoryFile::create(folder.join(name).join("inventory.yaml"), "");
        let cache = folder.join("cache").to_string_lossy().into_owned();
        let lab = Self {
            name,
            network,
            image,
            disk: None,
            folder,
            inventory,
            hosts: BTreeMap::new(),
            // The tests download for themselves.
            variables: BTreeMap::from([("XDG_CACHE_HOME".to_owned(), cache)]),
            printed: Mutex::default(),
            hurt: Mutex::default(),
            _turn: turn,
            _lock: lock,
        };
        if !continues() {
            // What a run that was killed left behind; somebody may be taking it down just now.
            until(Duration::from_mins(1), "the remains of another run are gone", || lab.lab(&["down"]));
            std::fs::create_dir_all(lab.folder.join(name)).unwrap();
        }
        lab
    }

    /// Takes all hosts away with their disks and boots new ones in their places.
    pub fn renew(&self) {
        let mut arguments = vec!["rm"];
        arguments.extend(self.hosts.keys().map(String::as_str));
        self.must(&arguments);
        self.boot_all();
    }

    fn boot_all(&self) {
        let subnet = format!("{}.0/24", self.network);
        let image = match self.image {
            Image::Full => "full",
            Image::Bare => "bare",
        };
        let hosts: Vec<String> =
            self.hosts.iter().map(|(name, address)| format!("{name}={address}")).collect();
        let mut arguments = vec!["boot", "--subnet", &subnet, "--image", image];
        arguments.extend(self.disk.iter().flat_map(|size| ["--disk", size]));
        arguments.extend(hosts.iter().map(String::as_str));
        self.lab(&arguments).unwrap_or_else(|why| unusable(&why));
    }

    // ---- the program

    /// Sets a variable of the program's environment.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// Runs a command of the program on this lab's inventory, to its end.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        let outcome = self.start(arguments).finish();
        self.keep(&outcome);
        outcome
    }

    /// Starts one.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let inventory = self.inventory.path().to_string_lossy().into_owned();
        let mut all = arguments.to_vec();
        all.push(&inventory);
        Running::start(&all, &self.variables)
    }

    /// Starts one as from another machine: a home and a folder for connections of its own.
    pub fn start_from(&self, machine: &str, arguments: &[&str]) -> Running {
        let inventory = self.inventory.path().to_string_lossy().into_owned();
        let mut all = arguments.to_vec();
        all.push(&inventory);
        let home = self.file(machine);
        std::fs::create_dir_all(&home).unwrap();
        let mut variables = self.variables.clone();
        variables.insert("HOME".to_owned(), home.to_string_lossy().into_owned());
        Running::start(&all, &variables)
    }

    /// The same command with this lab's variables.
    pub fn with_variables<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.envs(&self.variables)
    }

    /// Remembers what a command printed, for [`Lab::printed`].
    pub fn keep(&self, outcome: &Outcome) {
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(printed, "{}\n{}\n{}", outcome.command, outcome.stdout, outcome.stderr);
        eprintln!(
            "  {}: {:?} after {:.1} s",
            outcome.command.rsplit_once(" /").map_or(outcome.command.as_str(), |cut| cut.0),
            outcome.code,
            outcome.seconds
        );
    }

    /// Everything that the program printed so far.
    pub fn printed(&self) -> String {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `up`, which must end well.
    #[track_caller]
    pub fn up(&self) -> Outcome {
        self.run(&["up", "-o", "plain"]).exits(0)
    }

    /// The document of `status`. A host that does not answer costs 4 s, and 6 s more where the others are slow as well:
    /// this machine is busy with all of them. Where hosts in good health do not answer in time, it is asked again.
    #[track_caller]
    pub fn status(&self) -> Value {
        let mut left = 6;
        loop {
            let status = self.run(&["status", "-o", "json"]).exits(0).within(20.0).document();
            let late = self.late(&status);
            left -= 1;
            if late.is_empty() || left == 0 {
                return status;
            }
            eprintln!("  this machine is too busy: no answer in time from {late:?}");
        }
    }

    /// The document of `status`, which is there within five seconds whatever is dead: the best of a few asks, for this
    /// machine is all of the hosts, and may be late at one. The first begins at once. Each answer that knows the hosts
    /// in good health must be true.
    #[track_caller]
    pub fn status_soon(&self, truth: impl Fn(&Value)) -> Value {
        let mut took = Vec::new();
        while took.len() < 5 {
            let outcome = self.run(&["status", "-o", "json"]).exits(0);
            let status = outcome.document();
            took.push(outcome.seconds);
            let late = self.late(&status);
            if !late.is_empty() {
                eprintln!("  this machine is too busy: no answer in time from {late:?}");
                continue;
            }
            truth(&status);
            if outcome.seconds <= SOON {
                return status;
            }
        }
        panic!("status never answered within {SOON} s: it took {took:.1?}");
    }

    /// Hosts that nobody hurt, and that did not answer in time all the same.
    fn late(&self, status: &Value) -> Vec<String> {
        let hurt = self.hurt.lock().unwrap_or_else(PoisonError::into_inner);
        let is_late =
            |host: &&String| status["hosts"][host.as_str()]["reachable"] == false && !hurt.contains(*host);
        self.hosts.keys().filter(is_late).cloned().collect()
    }

    // ---- the hosts

    /// The address of a host.
    pub fn address(&self, host: &str) -> &str {
        self.hosts.get(host).unwrap_or_else(|| panic!("no host {host} in this lab"))
    }

    /// The floating address.
    pub fn floating(&self) -> String {
        format!("{}.20", self.network)
    }

    /// The etcd members on these hosts.
    pub fn etcd(&self, members: &[&str]) -> Etcd {
        Etcd { addresses: members.iter().map(|member| self.address(member).to_owned()).collect() }
    }

    /// A file in the lab's own folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(self.name).join(name)
    }

    /// Runs a script as root on a host, not over ssh, and gives what it printed.
    #[track_caller]
    pub fn exec(&self, host: &str, script: &str) -> String {
        self.try_exec(host, script).unwrap_or_else(|why| panic!("on {host}: {script}: {why}"))
    }

    /// The same where it may fail.
    pub fn try_exec(&self, host: &str, script: &str) -> Result<String, String> {
        self.lab(&["exec", host, "sh", "-c", script])
    }

    /// Runs a script on several hosts at once.
    #[track_caller]
    pub fn exec_all<'a>(
        &self,
        hosts: impl IntoIterator<Item = &'a String>,
        script: &str,
    ) -> BTreeMap<String, String> {
        std::thread::scope(|scope| {
            let asked: Vec<_> = hosts
                .into_iter()
                .map(|host| (host.clone(), scope.spawn(move || self.exec(host, script))))
                .collect();
            asked.into_iter().map(|(host, answer)| (host, answer.join().unwrap())).collect()
        })
    }

    /// What a person does to hosts: kill, start, stop, pause, unpause, cut, mend, fill, free, wait.
    #[track_caller]
    pub fn hosts_do(&self, action: &str, hosts: &[&str]) {
        let mut arguments = vec![action];
        arguments.extend(hosts);
        self.must(&arguments);
        let mut hurt = self.hurt.lock().unwrap_or_else(PoisonError::into_inner);
        for host in hosts.iter().map(|host| (*host).to_owned()) {
            match action {
                "kill" | "stop" | "pause" | "cut" | "fill" => hurt.insert(host),
                _ => hurt.remove(&host),
            };
        }
    }

    /// Brings back every host that was killed, paused or cut off.
    pub fn revive(&self) {
        for host in self.hosts.keys() {
            let _ = self.lab(&["unpause", host]);
            let _ = self.lab(&["start", host]);
            let _ = self.lab(&["mend", host]);
        }
        let all: Vec<&str> = self.hosts.keys().map(String::as_str).collect();
        self.hosts_do("wait", &all);
    }

    /// Waits until a status satisfies; asks the program itself.
    #[track_caller]
    pub fn until_status(&self, limit: Duration, what: &str, good: impl Fn(&Value) -> bool) -> Value {
        until(limit, what, || {
            let status = self.run(&["status", "-o", "json"]).exits(0).document();
            if good(&status) {
                Ok(status)
            } else {
                Err(format!("{} {}", status["verdict"], status["reasons"]))
            }
        })
    }

    /// What `lab collect` gathers for a bug report, all files in one text.
    #[track_caller]
    pub fn collect(&self, folder: &str) -> String {
        let folder = self.file(folder);
        self.must(&["collect", &folder.to_string_lossy()]);
        let files = std::fs::read_dir(&folder).unwrap();
        files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
    }

    /// What the hosts have to say about a failure: failed units and the last lines of their journals.
    pub fn evidence(&self) -> String {
        let script = "systemctl --failed --no-legend --plain; \
             journalctl --no-pager -o short-iso --since -5min -u etcd -u questdb -u docker -u haproxy -u keepalived -u kuboard-boot 2>&1 \
             | grep -vE 'level=info|\"level\":\"info\"' | cut -c 1-300 | tail -n 12; \
             ! systemctl -q is-active docker || docker logs --tail 4 kuboard 2>&1 | grep -v '^Error: No such'; true";
        let mut text = String::new();
        for host in self.hosts.keys() {
            let said = self.try_exec(host, script).unwrap_or_else(|why| why);
            let _ = writeln!(text, "---- {host}\n{}", said.trim_end());
        }
        text
    }

    #[track_caller]
    fn must(&self, arguments: &[&str]) -> String {
        self.lab(arguments).unwrap_or_else(|why| panic!("lab {}: {why}", arguments.join(" ")))
    }

    fn lab(&self, arguments: &[&str]) -> Result<String, String> {
        let mut all = vec![arguments[0], "--lab", self.name];
        all.extend(&arguments[1..]);
        let Output { status, stdout, stderr } =
            Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/lab/lab"))
                .args(&all)
                .env("KUBOARD_HA_LAB_DIR", &self.folder)
                .output()
                .map_err(|error| error.to_string())?;
        let said = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let (stdout, stderr) = (said(stdout), said(stderr));
        if status.success() { Ok(stdout) } else { Err(format!("{}{stdout}", stderr.trim())) }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::env::var_os("KEEP_LAB").is_some() {
            eprintln!("KEEP_LAB: examples/lab/lab down --lab {} takes the hosts down", self.name);
            return;
        }
        if let Err(why) = self.lab(&["down"]) {
            eprintln!("the lab {} could not be taken down: {why}", self.name);
        }
    }
}

/// Whether a developer goes on with hosts that a former run left behind.
pub fn continues() -> bool {
    let wish = std::env::var_os("KUBOARD_HA_LAB_FROM").is_some();
    assert!(!wish || std::env::var_os("CI").is_none(), "KUBOARD_HA_LAB_FROM leaves scenarios out: not in CI");
    wish
}

fn unusable(why: &str) -> ! {
    panic!("the lab cannot be used ({why}); run: examples/lab/lab prepare --tests")
}

/// The lines `  NAME: ADDRESS` below `hosts:`.
fn hosts_of(inventory: &str) -> BTreeMap<String, String> {
    let lines = inventory.lines().skip_while(|line| *line != "hosts:").skip(1);
    let entries =
        lines.take_while(|line| line.starts_with(' ')).filter_map(|line| line.trim().split_once(": "));
    entries.map(|(name, address)| (name.to_owned(), address.to_owned())).collect()
}
