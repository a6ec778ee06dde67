//! What befalls a run.

use std::thread::Scope;
use std::time::Duration;

use crate::lab::Lab;
use crate::net;
use crate::poll::until;
use crate::seed::Seed;
use crate::stands::BOOT;
use crate::tool::Running;

/// What befalls a run at some point.
#[derive(Clone, Debug)]
pub struct Blow {
    /// Its kind.
    pub kind: Kind,
    /// The host that it hits, where it hits one.
    pub host: String,
    /// Whether the run is killed in the same moment, where the kind leaves it alive.
    pub and_killed: bool,
    /// How long it lasts, where it passes by itself.
    pub lasts: Duration,
}

/// The kinds, in the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// SIGKILL.
    Killed,
    /// SIGKILL, and another machine goes on: another folder, no cache, no connection.
    Moved,
    /// A signal that asks it to end: TERM, INT or HUP.
    Asked,
    /// The ssh processes to one host are killed; to all hosts where there is a bastion.
    Cut,
    /// All that runs for `up` on a host is killed in the middle of a step, as a kernel out of memory would.
    Step,
    /// A host loses its power, and gets it back at once.
    Power,
    /// All hosts lose their power, and get it back at once.
    Blackout,
    /// A host hangs for seconds.
    Paused,
    /// A host's cable is out for seconds.
    Unplugged,
    /// A host's disk has no block left for seconds.
    Full,
}

impl Kind {
    /// As people read it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Killed => "up killed (SIGKILL)",
            Self::Moved => "up killed, continued from another machine",
            Self::Asked => "up asked to end (TERM, INT, HUP)",
            Self::Cut => "ssh killed",
            Self::Step => "a step killed on its host",
            Self::Power => "a host without power",
            Self::Blackout => "all hosts without power",
            Self::Paused => "a host that hangs",
            Self::Unplugged => "a host's cable out",
            Self::Full => "a host's disk full",
        }
    }

    /// How often it is drawn, of 100.
    const OFTEN: [(Self, usize); 10] = [
        (Self::Killed, 30),
        (Self::Moved, 8),
        (Self::Asked, 6),
        (Self::Cut, 12),
        (Self::Step, 10),
        (Self::Power, 8),
        (Self::Blackout, 4),
        (Self::Paused, 6),
        (Self::Unplugged, 6),
        (Self::Full, 10),
    ];
}

/// Kills everything that holds the lease: the shell, the step, what the step started. Fails where there is nothing.
const KILL: &str = "all=$(find /proc/[0-9]*/fd -lname '/var/lib/kuboard-ha/*/lease' 2>/dev/null | cut -d/ -f3 | sort -u); \
                    [ -n \"$all\" ] && { kill -KILL $all 2>/dev/null || :; }";
const SIGNALS: [&str; 3] = ["TERM", "INT", "HUP"];

impl Blow {
    /// SIGKILL, and nothing else.
    pub fn killed() -> Self {
        Self { kind: Kind::Killed, host: String::new(), and_killed: false, lasts: Duration::ZERO }
    }

    /// Drawn by chance.
    pub fn drawn(chance: &mut Seed, hosts: &[String]) -> Self {
        let mut place = chance.below(100);
        let kind = Kind::OFTEN
            .into_iter()
            .find(|(_, often)| {
                let here = place < *often;
                place = place.wrapping_sub(*often);
                here
            })
            .map_or(Kind::Killed, |(kind, _)| kind);
        let host = hosts[chance.below(hosts.len())].clone();
        let (and_killed, lasts) =
            (chance.below(2) == 0, Duration::from_millis(500 * (1 + chance.below(8) as u64)));
        Self { kind, host, and_killed, lasts }
    }

    /// The same on another host, where an earlier blow of the same run may still last on this one; a plain SIGKILL if
    /// there is none left.
    pub fn beside(self, earlier: &[Self], hosts: &[String]) -> Self {
        let lasting =
            |kind| !matches!(kind, Kind::Killed | Kind::Moved | Kind::Asked | Kind::Cut | Kind::Step);
        if !lasting(self.kind) && self.kind != Kind::Step {
            return self;
        }
        let is_hit = |host: &&String| {
            earlier.iter().any(|blow| {
                blow.kind == Kind::Blackout
                    || lasting(blow.kind) && (self.kind == Kind::Blackout || blow.host == **host)
            })
        };
        let from = hosts.iter().position(|host| *host == self.host).unwrap_or_default();
        let free = hosts.iter().cycle().skip(from).take(hosts.len()).find(|host| !is_hit(host));
        match free {
            Some(host) => Self { host: host.clone(), ..self },
            None => Self { kind: Kind::Killed, ..self },
        }
    }

    /// Whether the run that it hits does not outlive it.
    pub fn ends_run(&self) -> bool {
        match self.kind {
            Kind::Killed | Kind::Moved | Kind::Asked => true,
            Kind::Cut | Kind::Step => false,
            Kind::Power | Kind::Blackout | Kind::Paused | Kind::Unplugged | Kind::Full => self.and_killed,
        }
    }

    /// Whether the run is killed on top of what befell a host.
    fn kills_too(&self) -> bool {
        self.ends_run() && !matches!(self.kind, Kind::Killed | Kind::Moved | Kind::Asked)
    }

    /// Which signal asks the run to end.
    pub fn signal(&self) -> &'static str {
        SIGNALS[usize::try_from(self.lasts.as_millis() / 500).unwrap_or(0) % SIGNALS.len()]
    }

    /// Strikes. What passes by itself does so in a thread of this scope. Whether anything beside `up` was killed.
    pub fn strike<'scope>(
        &self,
        lab: &'scope Lab,
        up: &mut Running,
        scope: &'scope Scope<'scope, '_>,
    ) -> bool {
        let mut killed = matches!(self.kind, Kind::Power | Kind::Blackout);
        match self.kind {
            Kind::Killed | Kind::Moved => up.kill(),
            Kind::Asked => up.signal(self.signal()),
            Kind::Cut => killed = cut(lab, lab.address(&self.host)),
            // Where nothing is leased nothing runs either.
            Kind::Step => killed = lab.try_exec(&self.host, KILL).is_ok(),
            Kind::Blackout => {
                let all: Vec<&str> = lab.hosts.keys().map(String::as_str).collect();
                lab.hosts_do("kill", &all);
                for host in all {
                    passes(lab, host, "start", Duration::ZERO, scope);
                }
            }
            Kind::Power => {
                lab.hosts_do("kill", &[&self.host]);
                passes(lab, &self.host, "start", Duration::ZERO, scope);
            }
            Kind::Paused => {
                lab.hosts_do("pause", &[&self.host]);
                passes(lab, &self.host, "unpause", self.lasts, scope);
            }
            Kind::Unplugged => {
                lab.hosts_do("cut", &[&self.host]);
                passes(lab, &self.host, "mend", self.lasts, scope);
            }
            Kind::Full => {
                lab.hosts_do("fill", &[&self.host]);
                passes(lab, &self.host, "free", 2 * self.lasts, scope);
            }
        }
        if self.kills_too() {
            up.kill();
        }
        killed
    }

    /// Once the run is over: waits until a host that lost its power can be connected to.
    pub fn wait(&self, lab: &Lab) {
        for (host, address) in &lab.hosts {
            let is_hit = self.kind == Kind::Blackout || self.kind == Kind::Power && self.host == *host;
            if is_hit {
                until(BOOT, &format!("{host} lets people in again"), || net::connect(address, 22).map(drop));
            }
        }
    }

    /// In one line.
    pub fn told(&self) -> String {
        let seconds = self.lasts.as_secs_f64();
        let what = match self.kind {
            Kind::Killed => "SIGKILL".to_owned(),
            Kind::Moved => "SIGKILL, then another machine".to_owned(),
            Kind::Asked => format!("SIG{}", self.signal()),
            Kind::Cut => format!("ssh to {} killed", self.host),
            Kind::Step => format!("what runs on {} killed", self.host),
            Kind::Power => format!("{} without power", self.host),
            Kind::Blackout => "all hosts without power".to_owned(),
            Kind::Paused => format!("{} hangs for {seconds} s", self.host),
            Kind::Unplugged => format!("{} unplugged for {seconds} s", self.host),
            Kind::Full => format!("the disk of {} full for {} s", self.host, 2.0 * seconds),
        };
        if self.kills_too() { format!("{what}, and SIGKILL") } else { what }
    }
}

/// Does this to a host in a while.
fn passes<'scope>(
    lab: &'scope Lab,
    host: &str,
    action: &'static str,
    after: Duration,
    scope: &'scope Scope<'scope, '_>,
) {
    let host = host.to_owned();
    scope.spawn(move || {
        std::thread::sleep(after);
        lab.hosts_do(action, &[&host]);
    });
}

/// Kills the ssh processes that name this address. Through a bastion that is the bastion's own connection too. Whether
/// there was one.
fn cut(lab: &Lab, address: &str) -> bool {
    let mut any = false;
    for (process, line) in ssh_processes(lab) {
        if line.contains(address) {
            let killed = std::process::Command::new("kill").args(["-KILL", &process.to_string()]).status();
            any |= killed.is_ok_and(|status| status.success());
        }
    }
    any
}

/// The processes on this machine that hold connections to this lab's hosts, with their command lines.
pub fn ssh_processes(lab: &Lab) -> Vec<(u32, String)> {
    let folder = lab.file("").to_string_lossy().into_owned();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.starts_with("ssh") && line.contains(&folder) && line.contains("ssh_config") {
            found.push((process, line));
        }
    }
    found
}
