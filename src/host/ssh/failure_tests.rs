use std::path::Path;

use super::super::super::Deadlines;
use super::super::master;
use super::*;
use crate::inventory::model::HostKeys;

fn read(log: &str) -> Failure {
    read_through(log, None)
}

fn read_through(log: &str, bastion: Option<&str>) -> Failure {
    let login = master::Login {
        host: "10.0.0.1",
        user: Some("ops"),
        port: Some(2222),
        identity_file: Some(Path::new("/home/a b/key")),
        host_keys: HostKeys::Strict,
        config_file: None,
        password: None,
        proxy: None,
        jump: bastion.map(|_| "b.example"),
        bastion: None,
        deadlines: &Deadlines::default(),
    };
    classify(log, bastion, &Advice(&login))
}

/// Each as a version of OpenSSH on some C library writes it.
#[test]
fn the_words_of_ssh_are_understood() {
    for (log, kind, what) in [
        ("ssh: connect to host 10.0.0.1 port 22: Connection refused\r\n", Refused, "connection refused"),
        ("ssh: connect to host 10.0.0.1 port 22: Connection timed out", Silent, "connection timed out"),
        ("ssh: connect to host 10.0.0.1 port 22: Operation timed out", Silent, "connection timed out"),
        (
            "Connection timed out during banner exchange\nConnection to 10.0.0.1 port 22 timed out",
            Silent,
            "connection timed out: it was accepted, and then nothing was said",
        ),
        ("Timeout, server 10.0.0.1 not responding.", Silent, "connection timed out"),
        ("ssh: connect to host 10.0.0.1 port 22: No route to host", Unreachable, "no route to host"),
        ("ssh: connect to host 10.0.0.1 port 22: Host is unreachable", Unreachable, "host is unreachable"),
        (
            "ssh: connect to host fd00::1 port 22: Network is unreachable",
            Unreachable,
            "network is unreachable",
        ),
        (
            "ssh: Could not resolve hostname etcd1: Temporary failure in name resolution",
            Unreachable,
            "temporary failure in name resolution",
        ),
        (
            "ssh: Could not resolve hostname etcd1: Name or service not known",
            NoSuchName,
            "its name does not resolve",
        ),
        (
            "ssh: Could not resolve hostname etcd1: Name does not resolve",
            NoSuchName,
            "its name does not resolve",
        ),
        (
            "ssh: Could not resolve hostname etcd1: nodename nor servname provided, or not known",
            NoSuchName,
            "its name does not resolve",
        ),
        (
            "kex_exchange_identification: read: Connection reset by peer\nConnection reset by 10.0.0.1 port 22",
            HungUp,
            "the server hung up before the login (kex_exchange_identification: read: Connection reset by peer)",
        ),
        (
            "ssh_exchange_identification: Connection closed by remote host",
            HungUp,
            "the server hung up before the login (ssh_exchange_identification: Connection closed by remote host)",
        ),
        (
            "debug1: kex_exchange_identification: banner line 0: Exceeded MaxStartups\n\
             kex_exchange_identification: Connection closed by remote host\nConnection closed by 10.0.0.1 port 22",
            HungUp,
            "the server turned us away before the login: too many at once",
        ),
        (
            "debug1: kex_exchange_identification: banner line 0: Not allowed at this time\n\
             Connection closed by 10.0.0.1 port 22",
            HungUp,
            "the server turned us away before the login: too many at once",
        ),
        (
            "No ED25519 host key is known for 10.0.0.1 and you have requested strict checking.\r\n\
             Host key verification failed.\r\n",
            HostKeyUnknown,
            "the host key is not known here",
        ),
        (
            "/home/u/.ssh/config: line 3: Bad configuration option: hots\n\
             /home/u/.ssh/config: terminating, 1 bad configuration options",
            Local,
            "/home/u/.ssh/config: line 3: Bad configuration option: hots",
        ),
        (
            "Bad owner or permissions on /home/u/.ssh/config",
            Local,
            "bad owner or permissions on /home/u/.ssh/config",
        ),
        (
            "Unable to negotiate with 10.0.0.1 port 22: no matching host key type found. Their offer: ssh-rsa",
            Protocol,
            "unable to negotiate with 10.0.0.1 port 22: no matching host key type found. Their offer: ssh-rsa",
        ),
        ("", Unreachable, "ssh ended without a word"),
    ] {
        let failure = read(log);
        assert_eq!((failure.kind, failure.what.as_str()), (kind, what), "{log}");
        assert!(failure.hint.is_some(), "{log}");
    }
}

#[test]
fn keys_of_hosts_are_told_with_where_they_lie() {
    let unknown = read(
        "debug1: Server host key: ssh-ed25519 SHA256:abc\n\
         No ED25519 host key is known for [10.0.0.1]:2222 and you have requested strict checking.\n\
         Host key verification failed.",
    );
    assert_eq!(unknown.what, "the host key is not known here: ssh-ed25519 SHA256:abc");
    insta::assert_snapshot!(unknown.hint.unwrap(), @r"
    compare it with the host's own, there:
      ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub
    then accept it:
      ssh -o StrictHostKeyChecking=ask -i '/home/a b/key' -p 2222 ops@10.0.0.1 true
    or, trusting what answers now:
      ssh-keyscan -p 2222 10.0.0.1 >>~/.ssh/known_hosts
      ssh: { host_keys: accept-new }  in the inventory
    ");
    let changed = read(
        "debug1: Server host key: ssh-ed25519 SHA256:abc\n\
         @    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n\
         The fingerprint for the ED25519 key sent by the remote host is\nSHA256:abc.\n\
         Offending ED25519 key in /root/.ssh/known_hosts:12\n\
         Host key for [10.0.0.1]:2222 has changed and you have requested strict checking.\n\
         Host key verification failed.",
    );
    assert_eq!(changed.kind, HostKeyChanged);
    assert_eq!(changed.what, "the host key changed; it now shows ssh-ed25519 SHA256:abc");
    insta::assert_snapshot!(changed.hint.unwrap(), @r"
    if the host was set up anew, forget its old key and accept the new one:
      ssh-keygen -f /root/.ssh/known_hosts -R '[10.0.0.1]:2222'
      ssh -o StrictHostKeyChecking=ask -i '/home/a b/key' -p 2222 ops@10.0.0.1 true
    if it was not, somebody may stand in between: do not log in
    ");
}

const DENIED: &str = "ops@10.0.0.1: Permission denied (publickey,keyboard-interactive).";

#[test]
fn why_nobody_was_let_in_is_told() {
    for (log, what, hint) in [
        ("", "there was no key to offer for the user", "ssh-copy-id -i ~/.ssh/KEY -p 2222 ops@10.0.0.1"),
        (
            "debug1: Authenticating to 10.0.0.1:2222 as 'ops'\n\
             debug1: Offering public key: /k/id ED25519 SHA256:x explicit\n\
             debug1: Offering public key: me@home RSA SHA256:y agent\n",
            "no key was accepted for user ops; offered: /k/id, me@home",
            "ssh-copy-id -i /k/id -p 2222 ops@10.0.0.1",
        ),
        (
            "debug1: Offering RSA public key: /k/id\n",
            "no key was accepted for the user; offered: /k/id",
            "ssh-copy-id -i /k/id",
        ),
        (
            "debug1: Offering public key: /k/id ED25519 SHA256:x explicit\n\
             debug1: Server accepts key: /k/id ED25519 SHA256:x explicit\n",
            "the key /k/id would do, but it is locked with a passphrase and no agent holds it",
            "ssh-add /k/id",
        ),
        (
            "Warning: Identity file /k not accessible: No such file or directory.\n",
            "(Identity file /k not accessible: No such file or directory)",
            "ssh.identity_file",
        ),
        (
            "Permissions 0644 for '/k' are too open.\nLoad key \"/k\": bad permissions\n",
            "(Load key \"/k\": bad permissions)",
            "chmod 600 '/home/a b/key'",
        ),
        (
            "sign_and_send_pubkey: signing failed for ED25519 \"/k\" from agent: agent refused operation\n",
            "agent refused operation",
            "ssh-add",
        ),
    ] {
        let failure = read(&format!("{log}{DENIED}"));
        assert_eq!(failure.kind, Login);
        assert!(
            failure.what.contains("Permission denied (publickey") && failure.what.contains(what),
            "{failure:?}"
        );
        let told = failure.hint.unwrap();
        assert!(told.contains(hint), "{told}");
    }
    let many = read(
        "debug1: Offering public key: a RSA SHA256:x agent\ndebug1: Offering public key: b RSA SHA256:y agent\n\
         Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures\n\
         Disconnected from 10.0.0.1 port 22",
    );
    assert_eq!(many.kind, Login);
    assert!(many.what.contains("2 keys were offered") && many.hint.unwrap().contains("identity_file"));
    assert!(Log(DENIED).offers("keyboard-interactive") && !Log(DENIED).offers("password"));
}

#[test]
fn a_bastion_says_why_it_did_not_let_through() {
    let host = "debug1: Executing proxy command: exec ssh -S '/tmp/k' -o BatchMode=yes -W '[10.0.0.5]:22' '--' 'b'\n\
                Stdio forwarding request failed: Session open refused by peer\n\
                kex_exchange_identification: Connection closed by remote host\n\
                Connection closed by UNKNOWN port 65535";
    let bastion = |why: &str| {
        format!(
            "debug1: channel_connect_stdio_fwd: 10.0.0.4:22\n\
             debug1: channel 2: new stdio-forward [stdio-forward] (inactive timeout: 0)\n\
             debug1: channel_connect_stdio_fwd: 10.0.0.5:22\n\
             debug1: channel 4: new stdio-forward [stdio-forward] (inactive timeout: 0)\n\
             channel 2: open failed: connect failed: No route to host\n\
             channel 4: open failed: {why}\n\
             debug1: channel 4: free: direct-tcpip: listening port 0 for 10.0.0.5 port 22\n"
        )
    };
    for (why, kind) in [
        ("connect failed: Connection refused", Refused),
        ("connect failed: Connection timed out", Silent),
        ("connect failed: No route to host", Unreachable),
        ("connect failed: Name or service not known", NoSuchName),
        ("administratively prohibited: open failed", Forwarding),
    ] {
        let failure = read_through(host, Some(&bastion(why)));
        assert_eq!(failure.kind, kind);
        assert_eq!(failure.what, format!("the bastion says: {}", why.to_lowercase()));
        assert!(kind == NoSuchName || failure.hint.unwrap().contains("-J b.example"));
    }
    // OpenSSH 8.0 and before.
    let old = "debug1: channel_connect_stdio_fwd 10.0.0.5:22\ndebug1: channel 1: new [stdio-forward]\n\
               channel 1: open failed: connect failed: Connection refused\n";
    assert_eq!(read_through(host, Some(old)).kind, Refused);
    // A log that tells of others only leaves what ssh itself says.
    assert_eq!(read_through(host, Some("")).kind, HungUp);
}
