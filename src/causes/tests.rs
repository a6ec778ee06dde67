//! What hosts printed, and what it is called. All of it was printed by the real programs (systemd 252, Linux 6.18, etcd 3.5.6,
//! Java 11, Docker 20.10.24, HAProxy 2.6.12) but where it says otherwise.

use super::testing::{container, ended, listener, mount, printed, program, whole};
use super::{Evidence, Scene, read, told};
use crate::event::Cause;

fn scene() -> Scene {
    Scene {
        title: "etcd",
        process: "etcd",
        user: "etcd",
        units: vec!["etcd.service".into()],
        data: vec!["/var/lib/etcd".into()],
        ports: vec![2379, 2380],
        ..Scene::default()
    }
}

fn general(evidence: &Evidence) -> Option<Cause> {
    whole(super::general(evidence))
}

fn at_least(evidence: &Evidence) -> Option<Cause> {
    whole(super::at_least(evidence))
}

fn code(evidence: &Evidence) -> Option<String> {
    general(evidence).or_else(|| at_least(evidence)).map(|cause| cause.code)
}

fn cause(evidence: &Evidence) -> Cause {
    general(evidence).or_else(|| at_least(evidence)).unwrap()
}

#[test]
fn a_port_that_is_taken_is_named_with_who_has_it() {
    let lines = [
        (
            r#"{"level":"fatal","ts":"2026-11-21T11:01:09.146Z","caller":"etcdmain/etcd.go:204","msg":"discovery failed","error":"listen tcp 10.99.37.13:2380: bind: address already in use","stacktrace":"go.etcd.io/etcd/server/v3/etcdmain.startEtcdOrProxyV2\n\tgo.etcd.io/etcd/server/v3@v3.5.6/etcdmain/etcd.go:204\nmain.main"}"#,
            2380,
        ),
        (
            "[ALERT]    (3724) : Binding [/etc/haproxy/haproxy.cfg:55] for frontend health: cannot bind socket (Address already in use) for [127.0.0.1:2379]",
            2379,
        ),
        (
            "io.questdb.network.NetworkError: [98] could not bind socket [who=http-server, bindTo=127.0.0.1:2380]",
            2380,
        ),
        (
            "docker: Error response from daemon: driver failed programming external connectivity on endpoint t1 (4a6bda89): Error starting userland proxy: listen tcp4 127.0.0.1:2379: bind: address already in use.",
            2379,
        ),
        // Docker 28, from its source.
        ("failed to bind host port for 10.99.37.13:2380:172.17.0.2:80/tcp: address already in use", 2380),
        ("Bind for 0.0.0.0:2380 failed: port is already allocated", 2380),
        ("listen tcp [fd00::13]:2380: bind: address already in use", 2380),
        ("failed to bind host port for [fd00::13]:2380:[fd00:17::2]:80/tcp: address already in use", 2380),
        ("cannot bind socket (Address already in use) for [fd00::13:2379]", 2379),
    ];
    for (line, port) in lines {
        let mut evidence = ended(scene(), "exit-code", 1, line);
        evidence.seen.listeners =
            vec![listener("0.0.0.0", 2379, "nginx (8)"), listener("0.0.0.0", 2380, "python3 (6858)")];
        let cause = cause(&evidence);
        let by = if port == 2379 { "nginx (8)" } else { "python3 (6858)" };
        assert_eq!(cause.code, "port.taken", "{line}");
        assert!(cause.message.contains(&format!("Port {port} on ")), "{}", cause.message);
        assert!(cause.message.contains(&format!("taken by {by}; etcd listens there.")), "{}", cause.message);
        assert_eq!(cause.hint.split("see who it is: ").nth(1), Some(&*format!("ss -ltnp 'sport = :{port}'")));
        assert!(cause.lasting);
    }
}

#[test]
fn ports_inside_a_container_are_not_the_hosts() {
    // The image's entrypoint starts its web server again beside the one that runs whenever the server before it has ended.
    let log = "nginx: [emerg] bind() to 0.0.0.0:2379 failed (98: Address already in use)";
    let mut evidence = container(scene(), 1, log);
    evidence.seen.listeners = vec![listener("10.0.0.9", 2379, "haproxy (8)")];
    assert_eq!(general(&evidence).map(|cause| cause.code), None);
    if let Some(seen) = &mut evidence.container {
        seen.error = Some("Bind for 10.0.0.9:2379 failed: port is already allocated".into());
    }
    assert_eq!(cause(&evidence).code, "port.taken");
}

#[test]
fn docker_itself_may_have_the_port() {
    let mut evidence = printed(scene(), "Bind for 10.0.0.9:2379 failed: port is already allocated");
    evidence.scene.process = "docker-proxy";
    evidence.seen.listeners = vec![listener("10.0.0.9", 2379, "docker-proxy (8)")];
    let found = cause(&evidence);
    assert_eq!(found.code, "port.taken");
    assert!(found.message.starts_with("Docker has given port 2379 on 10.0.0.9 to"), "{}", found.message);
    assert!(found.hint.contains("docker ps --filter publish=2379\n"), "{}", found.hint);
}

#[test]
fn an_address_that_is_not_here_is_named() {
    let lines = [
        r#"{"level":"fatal","ts":"2026-11-21T11:01:09.146Z","caller":"etcdmain/etcd.go:204","msg":"discovery failed","error":"listen tcp 10.99.37.13:2380: bind: cannot assign requested address"}"#,
        "docker: Error response from daemon: driver failed programming external connectivity on endpoint kuboard (4a6bda89): Error starting userland proxy: listen tcp4 10.99.37.13:80: bind: cannot assign requested address.",
        "cannot bind socket (Cannot assign requested address) for [10.99.37.13:80, tls]",
    ];
    for line in lines {
        let found = cause(&ended(scene(), "exit-code", 1, line));
        assert_eq!(found.code, "host.address-missing", "{line}");
        assert_eq!(
            found.message,
            "No interface of this host has the address 10.99.37.13, which etcd listens on."
        );
        assert!(found.hint.contains("ip -o addr"), "{}", found.hint);
    }
    let line = "listen tcp [fd00::13]:2380: bind: cannot assign requested address";
    let found = cause(&ended(scene(), "exit-code", 1, line));
    assert!(found.message.contains("has the address fd00::13, which etcd"), "{}", found.message);
}

#[test]
fn a_disk_without_room_is_told_from_one_without_inodes_or_without_writing() {
    let full = r#"{"level":"panic","ts":"2026-11-21T11:01:26.119Z","caller":"etcdserver/raft.go:479","msg":"failed to create WAL","error":"no space left on device"}"#;
    let at = |text: &str, free, inodes, options: &str| {
        let mut evidence = ended(scene(), "exit-code", 2, text);
        evidence.seen.mounts.insert("/opt".into(), mount("/", "rw", 40 << 30, 900_000));
        evidence.seen.mounts.insert("/var/lib/etcd".into(), mount("/var/lib/etcd", options, free, inodes));
        evidence
    };
    let found = cause(&at(full, 8 << 20, 5000, "rw"));
    assert_eq!(found.code, "disk.full");
    assert_eq!(
        found.message,
        "8 MiB free on /var/lib/etcd, which holds /var/lib/etcd; etcd can write no more."
    );
    assert_eq!(code(&at(full, 90 << 20, 0, "rw")).as_deref(), Some("disk.inodes"));
    let questdb = "io.questdb.cairo.CairoException: [28] could not write 8 bytes [path=/var/lib/etcd/_verify_379493419.d, fd=6, offset=0, value=123456789]";
    assert_eq!(code(&at(questdb, 0, 500, "rw")).as_deref(), Some("disk.full"));
    let java = "Caused by: java.io.IOException: No space left on device";
    assert_eq!(code(&at(java, 0, 500, "rw")).as_deref(), Some("disk.full"));
    let ro = r#"{"level":"fatal","msg":"discovery failed","error":"cannot access data directory: mkdir /var/lib/etcd/e: read-only file system"}"#;
    let found = cause(&at(ro, 9 << 30, 5000, "ro"));
    assert_eq!(
        (found.code.as_str(), found.hint.contains("\n  mount -o remount,rw /var/lib/etcd\n")),
        ("disk.read-only", true)
    );
}

#[test]
fn data_of_another_owner_is_named() {
    let owners = super::evidence::Evidence::default();
    let mut evidence = ended(
        scene(),
        "exit-code",
        1,
        r#"{"level":"fatal","caller":"etcdmain/etcd.go:435","msg":"failed to list data directory","dir":"/var/lib/etcd","error":"open /var/lib/etcd: permission denied"}"#,
    );
    assert_eq!(evidence.owners, owners.owners);
    assert_eq!(code(&evidence), None, "without an owner that differs it may be anything");
    evidence.owners =
        read(&scene(), "mark m1\nm1 probe evidence.owners\nroot:root 700 /var/lib/etcd\nm1 end\n", "").owners;
    let found = cause(&evidence);
    assert_eq!(found.code, "data.owner");
    assert_eq!(
        found.message,
        "/var/lib/etcd belongs to root:root, and etcd runs as etcd: it may not use it."
    );
    assert!(found.hint.ends_with("chown -R etcd:etcd /var/lib/etcd"), "{}", found.hint);
    let questdb = "Caused by: io.questdb.cairo.CairoException: [13] could not open read-write [file=/var/lib/etcd/_tab_index.d]";
    evidence.units[0].log = vec![questdb.into()];
    assert_eq!(code(&evidence).as_deref(), Some("data.owner"));
}

#[test]
fn programs_that_cannot_run_say_why() {
    let exec = |text: &str, state: &str, machine: &str, options: &str| {
        let mut evidence = ended(scene(), "exit-code", 203, text);
        evidence.seen.system.machine = "x86_64".into();
        evidence.programs = vec![program(state, machine, options)];
        cause(&evidence)
    };
    let denied = "etcd.service: Failed at step EXEC spawning /usr/local/bin/etcd: Permission denied";
    let found = exec(denied, "there", "3e00", "rw,nosuid,noexec");
    assert_eq!(
        (found.code.as_str(), found.hint.ends_with("\n  mount -o remount,exec /opt")),
        ("disk.noexec", true)
    );
    assert_eq!(exec(denied, "not-executable", "3e00", "rw").code, "program.not-executable");
    let format = "etcd.service: Failed to execute /usr/local/bin/etcd: Exec format error";
    let found = exec(format, "there", "b700", "rw");
    assert_eq!(found.code, "host.architecture");
    assert_eq!(found.message, "/opt/p/etcd is built for aarch64, and this host's processor is x86_64.");
    let none = "etcd.service: Failed to execute /usr/local/bin/etcd: No such file or directory";
    assert_eq!(exec(none, "no-loader", "3e00", "rw").code, "host.glibc");
    assert_eq!(exec(none, "missing", "", "").code, "program.missing");
    let manifest = "no matching manifest for linux/amd64 in the manifest list entries";
    assert_eq!(code(&printed(scene(), manifest)).as_deref(), Some("host.architecture"));
    // As glibc's loader prints it (elf/dl-version.c).
    let old = "/opt/p/bin/java: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by /opt/p/lib/libjli.so)";
    let found = cause(&ended(scene(), "exit-code", 1, old));
    assert_eq!((found.code.as_str(), found.message.contains("GLIBC_2.34")), ("host.glibc", true));
    // As glibc's loader prints it (elf/dl-load.c).
    let library = "/opt/p/bin/java: error while loading shared libraries: libz.so.1: cannot open shared object file: No such file or directory";
    let found = cause(&ended(scene(), "exit-code", 127, library));
    assert_eq!(found.code, "host.library");
    assert_eq!(found.message, "etcd needs the library libz.so.1, and it is not there.");
    assert!(found.hint.contains("apt-file search libz.so.1"), "{}", found.hint);
    let unpacked = "java.lang.UnsatisfiedLinkError: /var/lib/etcd/tmp/libquestdb79.so: failed to map segment from shared object";
    let mut evidence = ended(scene(), "exit-code", 1, unpacked);
    evidence.seen.mounts.insert("/var/lib/etcd".into(), mount("/var/lib/etcd", "rw,noexec", 9 << 30, 90_000));
    assert_eq!(code(&evidence).as_deref(), Some("disk.noexec"));
}

#[test]
fn who_was_killed_for_memory_is_told_from_who_was_killed() {
    let mut evidence =
        ended(scene(), "signal", 9, "etcd.service: Main process exited, code=killed, status=9/KILL");
    evidence.units[0].killed = true;
    evidence.seen.system.memory = 1 << 30;
    assert_eq!(code(&evidence), None);
    let line = |name: &str| {
        format!(
            "Memory cgroup out of memory: Killed process 27906 ({name}) total-vm:218640kB, anon-rss:20224kB, UID:0 pgtables:100kB oom_score_adj:0"
        )
    };
    evidence.kernel = vec![line("python3")];
    assert_eq!(code(&evidence), None, "somebody else was");
    evidence.kernel.push(line("etcd"));
    let found = cause(&evidence);
    assert_eq!(found.code, "host.memory");
    assert!(
        found.message.contains("the kernel killed it") && found.message.contains("1.0 GiB"),
        "{}",
        found.message
    );
    assert_eq!(code(&ended(scene(), "oom-kill", 9, "")).as_deref(), Some("host.memory"));
    let java = "OpenJDK 64-Bit Server VM warning: INFO: os::commit_memory(0x00007d69faa00000, 2147483648000, 0) failed; error='Not enough space' (errno=12)\n#\n# There is insufficient memory for the Java Runtime Environment to continue.";
    assert_eq!(code(&ended(scene(), "exit-code", 1, java)).as_deref(), Some("host.memory"));
    let mut boxed = container(scene(), 137, "");
    boxed.container.as_mut().unwrap().out_of_memory = true;
    assert_eq!(code(&boxed).as_deref(), Some("host.memory"));
}

#[test]
fn selinux_and_clocks() {
    let mut evidence = ended(
        scene(),
        "exit-code",
        203,
        "etcd.service: Failed at step EXEC spawning /usr/local/bin/etcd: Permission denied",
    );
    // As the kernel prints it (security/selinux/avc.c).
    evidence.kernel = vec![r#"audit: type=1400 audit(1700000000.123:45): avc:  denied  { execute } for  pid=812 comm="(etcd)" name="etcd" dev="vda1" ino=9 scontext=system_u:system_r:init_t:s0 tcontext=unconfined_u:object_r:admin_home_t:s0 tclass=file permissive=0"#.into()];
    evidence.programs = vec![program("there", "3e00", "rw")];
    let found = cause(&evidence);
    assert_eq!(found.code, "selinux.denied");
    assert_eq!(found.message, "SELinux denies etcd to execute etcd.");
    assert!(found.hint.contains("restorecon -Rv /opt/p/etcd"), "{}", found.hint);

    // From etcd 3.5's server/etcdserver/api/rafthttp/probing_status.go.
    let drift = r#"{"level":"warn","caller":"rafthttp/probing_status.go:82","msg":"prober found high clock drift","round-tripper-name":"ROUND_TRIPPER_SNAPSHOT","remote-peer-id":"2a66","clock-drift":"1h0m0.1s","rtt":"1ms"}"#;
    let mut evidence = ended(scene(), "success", 0, drift);
    evidence.seen.system.clock_offset = -3_600_000;
    let found = cause(&evidence);
    assert_eq!((found.code.as_str(), found.lasting), ("host.clock", false));
    assert!(found.message.starts_with("Its clock is 3600.0 s behind the other hosts'"), "{}", found.message);
}

#[test]
fn what_a_unit_that_is_up_said_long_ago_counts_no_more() {
    let old = "panic: listen tcp 10.99.37.13:2380: bind: address already in use";
    let mut evidence = ended(scene(), "success", 0, old);
    assert_eq!(code(&evidence).as_deref(), Some("port.taken"));
    evidence.units[0].active = "active".into();
    assert_eq!(code(&evidence), None);
    evidence.units[0].earlier = vec![old.into()];
    assert_eq!(code(&evidence).as_deref(), Some("port.taken"), "said since the run began");
}

#[test]
fn what_nobody_knows_is_at_least_a_loop_or_a_failure() {
    let mut evidence = ended(scene(), "exit-code", 7, "something odd");
    assert_eq!(code(&evidence), None, "one start is no loop");
    evidence.units[0].restarts = 5;
    let found = cause(&evidence);
    assert_eq!(found.code, "unit.crash-loop");
    assert_eq!(found.message, "etcd.service was started 6 times and ended each time: exit-code, status 7.");
    evidence.units[0].active = "failed".into();
    assert_eq!(code(&evidence).as_deref(), Some("unit.failed"));
    evidence.units[0].load = "masked".into();
    assert_eq!(code(&evidence).as_deref(), Some("unit.masked"));
    let user = "etcd.service: Failed to determine user credentials: No such process\netcd.service: Failed at step USER spawning /bin/true: No such process";
    assert_eq!(code(&ended(scene(), "exit-code", 217, user)).as_deref(), Some("unit.user"));
    evidence.units[0].load = "not-found".into();
    let found = cause(&evidence);
    assert_eq!((found.code.as_str(), found.hint.as_str()), ("unit.missing", "run `kuboard-ha up` again"));
    let mut boxed = Scene { container: Some("kuboard".into()), ..scene() };
    boxed.units.clear();
    let mut evidence = container(boxed, 3, "bye");
    assert_eq!(code(&evidence).as_deref(), Some("container.exited"));
    let seen = evidence.container.as_mut().unwrap();
    seen.state = "restarting".into();
    seen.restarts = 4;
    assert_eq!(code(&evidence), None, "four starts are no loop");
    evidence.container.as_mut().unwrap().restarts = 5;
    let found = cause(&evidence);
    assert_eq!(found.code, "container.crash-loop");
    assert_eq!(
        found.message,
        "The container kuboard was started 6 times and ended each time, last with status 3."
    );
}

#[test]
fn a_look_is_read_and_told_in_a_dozen_lines() {
    let text = include_str!("transcript_port.txt");
    let evidence = read(
        &Scene { needs: Vec::new(), ..scene() },
        text,
        "looking\nno quorum yet: /health does not answer\n",
    );
    let unit = &evidence.units[0];
    assert_eq!((unit.active.as_str(), unit.sub.as_str(), unit.restarts), ("activating", "auto-restart", 1));
    assert_eq!((unit.result.as_str(), unit.status, unit.killed), ("exit-code", 1, false));
    insta::assert_snapshot!(told(&evidence).join("\n"), @r#"
    looking
    no quorum yet: /health does not answer
    etcd.service: activating/auto-restart (exit-code, status 1), started again once
    fatal: discovery failed: listen tcp 10.99.37.13:2380: bind: address already in use
    port 2380 on 0.0.0.0 is held by python3 (19008)
    /var/lib/etcd on / (overlay rw): 28.7 GiB, 16125273 inodes free
    from here to 10.99.37.99 port 2380 (etcd2): no answer within 1 s
    "#);
    assert_eq!(code(&evidence).as_deref(), Some("port.taken"));
}

#[test]
fn lines_are_made_short_and_the_same_is_said_once() {
    let lines = [
        "Started etcd.service - etcd.",
        r#"{"level":"info","msg":"starting"}"#,
        r#"{"level":"warn","ts":"x","caller":"c","msg":"failed to start etcd","error":"member 2a66 has already been bootstrapped"}"#,
        r#"{"level":"fatal","ts":"x","caller":"c","msg":"discovery failed","error":"member 2a66 has already been bootstrapped","stacktrace":"main.main\n\tx"}"#,
        "panic: failed to create WAL",
        "goroutine 1 [running]:",
        "\tgo.uber.org/zap@v1.17.0/zapcore/entry.go:234 +0x31c",
        "go.uber.org/zap.(*Logger).Panic(0x22286f49ebe0?)",
        "\tat io.questdb@6.6.1/io.questdb.ServerMain.main(Unknown Source)",
        "etcd.service: Main process exited, code=exited, status=1/FAILURE",
        "etcd.service: Failed with result 'exit-code'.",
    ]
    .map(str::to_owned);
    assert_eq!(
        super::lines::telling(&lines, 4),
        ["fatal: discovery failed: member 2a66 has already been bootstrapped", "panic: failed to create WAL"]
    );
    assert_eq!(super::plain(&"x".repeat(900)).chars().count(), 150 - 2);
    let stack = r#"{"level":"fatal","msg":"it failed","error":"a\nb\r\nc"}"#;
    assert_eq!(super::plain(stack), "fatal: it failed: a b  c");
}

/// What a host says is hidden where it is secret, before it leaves the host; under every shell that is here.
#[test]
fn no_secret_leaves_the_host() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir_all(path("bin")).unwrap();
    std::fs::create_dir_all(path("state/secrets")).unwrap();
    std::fs::write(path("state/secrets/questdb-password"), "a/b.c*d$[e]&").unwrap();
    std::fs::write(path("state/secrets/tls-key"), "-----BEGIN-----\nMIIEvQIBADANBg+kqh/kiG9w0=\n").unwrap();
    let says = [
        "DB_PASSWORD=poison \"token\":\"poison\", port 1",
        "login with a/b.c*d$[e]& failed",
        "postgresql://admin:poison@10.0.0.1:8812/qdb",
        "MIIEvQIBADANBg+kqh/kiG9w0=",
    ];
    std::fs::write(path("says"), says.join("\n")).unwrap();
    let systemctl = "[ \"$1\" = show ] || exit 0; echo LoadState=loaded; echo ActiveState=failed; echo ExecMainCode=1; echo ExecMainStatus=1; echo InvocationID=ab";
    let stubs = [
        ("systemctl", systemctl.to_owned()),
        ("journalctl", format!("cat {}", path("says"))),
        (
            "docker",
            format!("case $* in *state*) echo state exited 1 0 false;; *) cat {}; esac", path("says")),
        ),
    ];
    for (name, text) in stubs {
        let file = folder.path().join("bin").join(name);
        std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let scene = Scene { container: Some("kuboard".into()), ..scene() };
    let looks = super::script::looks(&scene, std::time::Duration::from_secs(9));
    for shell in ["dash", "bash"] {
        for name in [super::script::UNITS, super::script::CONTAINER] {
            let probe = looks.probes.iter().find(|probe| probe.procedure.name == name).unwrap();
            let text = format!(
                "set -u; STATE={}; PATH={}:$PATH\n{}",
                path("state"),
                path("bin"),
                crate::plan::script::procedure(&probe.procedure)
            );
            let ran = std::process::Command::new(shell).args(["-c", &text]).output().unwrap();
            let said = String::from_utf8_lossy(&ran.stdout).into_owned();
            let all = format!("{said}{}", String::from_utf8_lossy(&ran.stderr));
            for secret in ["poison", "a/b.c", "MIIEv"] {
                assert!(!all.contains(secret), "{shell} {name}: {all}");
            }
            assert!(
                said.contains("login with *** failed") && said.contains("port 1"),
                "{shell} {name}: {all}"
            );
        }
    }
}
