//! The functions that steps are made of, run for real under dash, bash and busybox in a scratch folder.

#![expect(clippy::unwrap_used, reason = "what helpers of a test cannot do ends the test")]

mod archives;
mod looks;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kuboard_ha::facts::look::Looks;
use kuboard_ha::facts::model::{FileState, HostFacts, Observed};
use kuboard_ha::facts::probe::files;
use kuboard_ha::facts::read::read;
use kuboard_ha::facts::script::script as facts_script;
use kuboard_ha::host::PRELUDE;
use kuboard_ha::inventory::model::Transfer;
use kuboard_ha::plan::model::{Action, Job, JobId, Reason, Risk, SecretChange, StageId, Step};
use kuboard_ha::plan::script::{RUNTIME, quote, script};
use kuboard_ha::resource::{Content, HostName, Part, ResourceId, SecretForm, Sha256Digest};
use kuboard_ha::secret::{Fingerprint, Secret, SecretId};

const SHELLS: [&[&str]; 3] = [&["dash"], &["bash", "--posix"], &["busybox", "sh"]];

const HOSTILE: &str = "quote ' double \" dollar $(touch pwned) back `id` \\ {{x}} %n é\nsecond";

struct Scratch {
    folder: tempfile::TempDir,
    shell: &'static [&'static str],
}

impl Scratch {
    fn new(shell: &'static [&'static str]) -> Self {
        let scratch = Self { folder: tempfile::tempdir().unwrap(), shell };
        fs::create_dir_all(scratch.state().join("secrets")).unwrap();
        fs::create_dir_all(scratch.path("work")).unwrap();
        scratch
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn state(&self) -> PathBuf {
        self.path("state")
    }

    fn secret(&self, id: &str, value: &str) {
        fs::write(self.state().join("secrets").join(id), value).unwrap();
    }

    /// Runs text as a step does; its output, or what it said on the way to failing.
    fn run(&self, text: &str) -> Result<String, String> {
        let program = format!(
            "STATE={} CLUSTER=c RUN=r1 WORK={}\n{PRELUDE}{RUNTIME}\n( set -eu\n{text}\n)\n",
            quote(self.state().to_str().unwrap()),
            quote(self.path("work").to_str().unwrap())
        );
        let mut child = Command::new(self.shell[0])
            .args(&self.shell[1..])
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|why| panic!("{} is needed for this test: {why}", self.shell[0]));
        child.stdin.take().unwrap().write_all(program.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(!self.path("pwned").exists(), "a value was read as shell");
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    fn act(&self, action: Action) -> Result<String, String> {
        let host = HostName::new("h");
        let step = Step {
            resource: ResourceId::new("file", "x"),
            action,
            reason: Reason::Missing,
            risk: Risk::None,
            limit: std::time::Duration::from_secs(5),
        };
        let job = Job {
            id: JobId::new("j", &host),
            stage: StageId("s".to_owned()),
            host,
            after: std::collections::BTreeSet::new(),
            guards: Vec::new(),
            steps: vec![step],
        };
        self.run(&script(&job, Transfer::Push).steps[0].text)
    }

    fn look(&self, looks: &Looks) -> HostFacts {
        let (facts, complete) = read(looks, &self.run(&facts_script(looks)).unwrap());
        assert!(complete);
        facts
    }

    fn manifest(&self) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.state().join("manifest")).unwrap_or_default();
        files::manifest(&text.lines().collect::<Vec<_>>())
    }

    fn write(&self, path: &Path, content: &Content) -> Result<String, String> {
        self.act(Action::WriteFile {
            path: path.to_str().unwrap().to_owned(),
            mode: 0o640,
            owner: "root:root".to_owned(),
            content: content.clone(),
            check: None,
        })
    }
}

fn everywhere(test: impl Fn(&Scratch)) {
    for shell in SHELLS {
        test(&Scratch::new(shell));
    }
}

fn content(text: &str, form: SecretForm) -> Content {
    Content(vec![
        Part::Text(text.to_owned()),
        Part::Secret { id: SecretId::new("p"), form },
        Part::Text("\n".to_owned()),
    ])
}

#[test]
fn a_file_arrives_to_the_byte_with_its_mode_and_a_key_that_the_planner_computes_too() {
    everywhere(|scratch| {
        let path = scratch.path("etc/app.env");
        scratch.secret("p", "va'l $ue");
        let content = content(HOSTILE, SecretForm::Raw);
        scratch.write(&path, &content).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{HOSTILE}va'l $ue\n"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
        let print = Fingerprint::of("c", &SecretId::new("p"), &Secret::new("va'l $ue".into()));
        let key = content.key(&BTreeMap::from([(SecretId::new("p"), print)]));
        let sum = Sha256Digest::of(&fs::read(&path).unwrap());
        assert_eq!(scratch.manifest()[&format!("file {}", path.display())], format!("{key} {sum}"));
    });
}

#[test]
fn a_cut_between_record_and_rename_reads_as_not_intact() {
    everywhere(|scratch| {
        let path = scratch.path("app.env");
        scratch.write(&path, &Content::text("old\n")).unwrap();
        let text = format!(
            "mv() {{ [ \"$3\" != {0} ] || exit 9; command mv \"$@\"; }}\nbegin_file {0} 0640 root:root\ntext 'new' \
             >\"$new\"\nend_file {0} 0123",
            quote(path.to_str().unwrap())
        );
        scratch.run(&text).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old\n");
        let line = format!("{} f 640 root:root 4 0 ", path.display());
        let sum = format!("{}  {}", Sha256Digest::of(b"old\n"), path.display());
        let paths = [path.display().to_string()];
        let (found, _) = files::files(&files::found(&[&line]), &[&sum], &[], &paths, &scratch.manifest());
        let Observed::Known(Some(file)) = &found[&path.display().to_string()] else { panic!("{found:?}") };
        assert!(matches!(&file.state, FileState::Ours { intact: false, .. }), "{file:?}");
    });
}

#[test]
fn a_checker_that_refuses_keeps_the_old_file() {
    everywhere(|scratch| {
        let path = scratch.path("app.cfg");
        scratch.write(&path, &Content::text("old\n")).unwrap();
        let refused = scratch.act(Action::WriteFile {
            path: path.to_str().unwrap().to_owned(),
            mode: 0o644,
            owner: "root:root".to_owned(),
            content: Content::text("bad\n"),
            check: Some(kuboard_ha::plan::model::Check { title: "grep", text: "grep -q good \"$new\"" }),
        });
        assert!(refused.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old\n");
    });
}

#[test]
fn secrets_take_the_form_of_their_place() {
    everywhere(|scratch| {
        scratch.secret("p", "a/b:c@d?e#f%g h~i.j_k-l0é\"\\$`'");
        assert_eq!(
            scratch.run("secret_url p").unwrap(),
            "a%2fb%3ac%40d%3fe%23f%25g%20h~i.j_k-l0%c3%a9%22%5c%24%60%27"
        );
        assert_eq!(
            scratch.run("secret_systemd_env p").unwrap(),
            "\"a/b:c@d?e#f%g h~i.j_k-l0é\\\"\\\\\\$\\`'\""
        );
        let (id, looks) = (SecretId::new("p"), Looks { links: ["/".into()].into(), ..Looks::default() });
        let print = scratch.run("fingerprint p").unwrap();
        assert_eq!(scratch.look(&looks).secrets[&id].as_str(), print.trim());
        let value = Secret::new("a/b:c@d?e#f%g h~i.j_k-l0é\"\\$`'".to_owned());
        assert_eq!(Fingerprint::of("c", &id, &value).as_str(), print.trim());
    });
}

#[test]
fn minted_secrets_are_long_enough_private_and_different() {
    everywhere(|scratch| {
        let mint = |id: &str| {
            let change = SecretChange::Mint { length: 32 };
            scratch.act(Action::Secret { id: SecretId::new(id), change }).unwrap();
            let path = scratch.state().join("secrets").join(id);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::read_to_string(path).unwrap()
        };
        let (one, two) = (mint("one"), mint("two"));
        assert!(one.len() == 32 && one.bytes().all(|byte| byte.is_ascii_alphanumeric()) && one != two);
    });
}

#[test]
fn a_secret_that_did_not_arrive_fails_and_one_that_did_leaves_no_copy() {
    everywhere(|scratch| {
        let put = || scratch.act(Action::Secret { id: SecretId::new("p"), change: SecretChange::Supply });
        assert!(put().unwrap_err().contains("did not arrive"));
        fs::write(scratch.path("work/secret.p"), "value").unwrap();
        put().unwrap();
        assert_eq!(fs::read_to_string(scratch.state().join("secrets/p")).unwrap(), "value");
        assert!(!scratch.path("work/secret.p").exists());
    });
}

#[test]
fn the_manifest_keeps_what_is_not_named() {
    everywhere(|scratch| {
        scratch.run("record 'a b' 'one two'; record 'a bc' three; record 'a b' four").unwrap();
        assert_eq!(
            scratch.run("recorded 'a b'; recorded 'a bc'; recorded nothing").unwrap(),
            "four\nthree\n"
        );
        scratch.run("forget 'a b'").unwrap();
        assert_eq!(scratch.manifest().keys().collect::<Vec<_>>(), ["a bc"]);
    });
}

#[test]
fn setting_aside_moves_everything_and_deletes_nothing() {
    everywhere(|scratch| {
        let data = scratch.path("data");
        for name in ["member/wal", "aside-old", "lost+found"] {
            fs::create_dir_all(data.join(name)).unwrap();
        }
        fs::write(data.join(".hidden"), "x").unwrap();
        fs::write(data.join("member/wal/0.wal"), "precious").unwrap();
        scratch.act(Action::SetAside { path: data.to_str().unwrap().to_owned() }).unwrap();
        let mut left: Vec<_> = fs::read_dir(&data)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["aside-old", "aside-r1", "lost+found"]);
        assert_eq!(fs::read_to_string(data.join("aside-r1/member/wal/0.wal")).unwrap(), "precious");
        assert!(data.join("aside-r1/.hidden").exists());
    });
}

#[test]
fn a_link_is_swapped_and_a_directory_in_its_place_is_refused() {
    everywhere(|scratch| {
        let link = |target: &str, path: &str| {
            let path = scratch.path(path).to_str().unwrap().to_owned();
            scratch.act(Action::Link { path, target: target.to_owned() })
        };
        link("/one", "bin/tool").unwrap();
        link("/two", "bin/tool").unwrap();
        assert_eq!(fs::read_link(scratch.path("bin/tool")).unwrap(), Path::new("/two"));
        fs::create_dir_all(scratch.path("real")).unwrap();
        assert!(link("/one", "real").unwrap_err().contains("is a directory"));
    });
}

/// An etcdctl whose snapshots are whole: what they hold, and the digest of it. As the real one it refuses a flag that the
/// environment says as well.
const SAVING_ETCDCTL: &str = r#"mkdir -p etcd/member/snap
echo db >etcd/member/snap/db
printf '%s\n' '#!/bin/sh' 'env | grep -v ETCDCTL_API= | grep ^ETCDCTL_ && exit 128' 'while [ $# -gt 1 ]; do shift; done' 'printf precious >"$1"' \
    'sha256sum <"$1" | cut -c1-64 | sed "s/../\\\\x&/g" | while read -r sum; do env printf "$sum"; done >sum; cat sum >>"$1"' >etcdctl
chmod +x etcdctl
data_dir=$PWD/etcd etcdctl=$PWD/etcdctl port=2379
"#;

#[test]
fn the_snapshot_just_taken_stays_whatever_the_clock_said_before() {
    let take = format!("{SAVING_ETCDCTL}{}", include_str!("../../src/services/etcd/sh/snapshot.sh"));
    everywhere(|scratch| {
        let folder = scratch.state().join("snapshots");
        fs::create_dir_all(&folder).unwrap();
        for year in ["2097", "2098", "2099", "2001"] {
            fs::write(folder.join(format!("{year}0101T000000Z-r0.db")), "old").unwrap();
        }
        let said = scratch.run(&take).unwrap();
        let new = Path::new(said.trim());
        assert!(fs::read(new).unwrap().starts_with(b"precious"), "{said}");
        let mut left: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path != new)
            .collect();
        left.sort();
        assert_eq!(left, ["2098", "2099"].map(|year| folder.join(format!("{year}0101T000000Z-r0.db"))));
    });
}

#[test]
fn a_snapshot_is_taken_whatever_somebody_set_for_their_own_etcdctl() {
    let take = include_str!("../../src/services/etcd/sh/snapshot.sh");
    let set = "export ETCDCTL_ENDPOINTS=http://elsewhere:2379 ETCDCTL_USER='a b' ETCDCTL_CACERT=\"$(printf 'x\\ny')\"\n";
    everywhere(|scratch| {
        let said = scratch.run(&format!("{SAVING_ETCDCTL}{set}{take}")).unwrap();
        let snapshot = Path::new(said.trim());
        assert!(snapshot.is_file() && said.trim().ends_with("-r1.db"), "{said}");
    });
}

/// A package manager that fails as the real one does while another process holds its lock, and that notices when two
/// of its kind run at once.
const LOCKED_APT: &str = r#"mkdir -p bin
printf '%s\n' '#!/bin/sh' 'mkdir busy || { echo "two at once"; exit 1; }' 'sleep 0.1' 'rmdir busy' \
    'echo "apt-get $*" >>calls' 'case $* in *install*) test -e repaired ;; esac' >bin/apt-get
printf '%s\n' '#!/bin/sh' 'echo x >>tries' '[ "$(wc -l <tries)" -gt 2 ] || {' \
    'echo "dpkg: error: dpkg frontend lock was locked by another process with pid 7" >&2' 'exit 2; }' ': >repaired' >bin/dpkg
chmod +x bin/*
PATH=$PWD/bin:$PATH
sleep() { :; }
"#;

#[test]
fn packages_wait_for_the_lock_of_others_and_for_each_other() {
    everywhere(|scratch| {
        scratch.run(&format!("{LOCKED_APT}add_packages one & add_packages two; wait $!")).unwrap();
        let calls = fs::read_to_string(scratch.path("calls")).unwrap();
        assert!(calls.contains("update") && calls.contains("install one") && calls.contains("install two"));
    });
}

#[test]
fn podman_that_passes_for_docker_is_not_installed() {
    // As RHEL 8 and later resolve it: podman-docker says that it provides `docker`.
    let dnf = r#"mkdir -p bin
printf '%s\n' '#!/bin/sh' 'case $* in *--exclude=podman-docker*) ;; *" docker") exit 0 ;; esac; exit 1' >bin/dnf
chmod +x bin/dnf
PATH=$PWD/bin:$PATH
package_names() { printf '%s\n' docker-ce docker; }
"#;
    everywhere(|scratch| {
        let why = scratch.run(&format!("{dnf}rpm_add docker.io")).unwrap_err();
        assert!(why.contains("could be installed of: docker-ce docker "), "{why}");
    });
}

#[test]
fn a_package_manager_that_fails_for_another_reason_is_not_asked_for_minutes() {
    everywhere(|scratch| {
        let text = "mkdir bin; printf '%s\\n' '#!/bin/sh' 'echo x >>tries' 'echo no such disk >&2; exit 1' >bin/dpkg; \
                    cp bin/dpkg bin/apt-get; chmod +x bin/*; PATH=$PWD/bin:$PATH; add_packages one";
        let said = scratch.run(text).unwrap_err();
        assert!(said.contains("no such disk"), "{said}");
        assert_eq!(fs::read_to_string(scratch.path("tries")).unwrap().lines().count(), 2);
    });
}

#[test]
fn an_engine_that_holds_ports_of_what_is_gone_begins_anew_where_it_runs_nothing_else() {
    // Stands in for an engine whose start was cut off: nothing that is asked of the real one brings that about for sure.
    let engine = r#"mkdir bin
cat >bin/docker <<'EOF'
#!/bin/sh
echo "docker $*" >>said
case $1 in
ps) cat running ;;
start | run) [ -e anew ] || { echo "Bind for 10.0.0.1:80 failed: $(cat why)" >&2; exit 125; } ;;
esac
EOF
printf '#!/bin/sh\necho "systemctl $*" >>said; : >anew\n' >bin/systemctl
chmod +x bin/*; PATH=$PWD/bin:$PATH
"#;
    let run = "container_new() { docker run; }; container=kuboard; container_up container_new";
    for (why, running, starts) in [
        ("port is already allocated", "", true),
        ("port is already allocated", "8c5e2f", false),
        ("bind: address already in use", "", false),
    ] {
        for what in ["container_start kuboard", run] {
            everywhere(|scratch| {
                fs::write(scratch.path("why"), why).unwrap();
                fs::write(scratch.path("running"), running).unwrap();
                let done = scratch.run(&format!("{engine}{what}"));
                let said = fs::read_to_string(scratch.path("said")).unwrap();
                assert_eq!(done.is_ok(), starts, "{done:?} {said}");
                assert_eq!(
                    said.contains("systemctl restart docker.service\ndocker start kuboard\n"),
                    starts,
                    "{said}"
                );
                assert!(done.is_ok() || done.unwrap_err().contains(why));
            });
        }
    }
}
