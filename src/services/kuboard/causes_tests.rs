//! What Docker 20.10.24 printed where it was made to fail, but where it says otherwise.

use crate::causes::testing::{container, ended, printed, reached, whole};
use crate::causes::{Evidence, Reach, Scene};
use crate::event::Cause;
use crate::facts::model::{Docker, Observed};
use crate::inventory::Inventory;
use crate::status::sample::{host, manual};

fn scene() -> Scene {
    super::scene(&manual(), &host("kuboard-1"))
}

fn cause(inventory: &Inventory, evidence: &Evidence) -> Option<Cause> {
    whole(super::cause(inventory, evidence))
}

fn of(output: &str) -> Option<String> {
    cause(&manual(), &printed(scene(), output)).map(|cause| cause.code)
}

#[test]
fn registries_refuse_in_many_ways() {
    for (output, code) in [
        ("Error response from daemon: manifest unknown", "docker.image-missing"),
        ("Error response from daemon: name unknown", "docker.image-missing"),
        ("docker: Error response from daemon: No such image: nothere:1.", "docker.image-missing"),
        (
            "the archive holds no image named eipwork/kuboard:v3 but: Loaded image: x:1",
            "docker.image-missing",
        ),
        // Docker 25 and later (containerd's words), and Docker Hub's.
        (
            "Error response from daemon: manifest for eipwork/kuboard:v9 not found: manifest unknown: manifest unknown",
            "docker.image-missing",
        ),
        (
            "Error response from daemon: pull access denied for eipwork/kubord, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
            "docker.registry-denied",
        ),
        (
            "Error response from daemon: Head \"http://127.0.0.1:5998/v2/x/manifests/1\": no basic auth credentials",
            "docker.registry-denied",
        ),
        ("Error response from daemon: denied", "docker.registry-denied"),
        (
            "Error response from daemon: login attempt to http://127.0.0.1:5998/v2/ failed with status: 401 Unauthorized",
            "docker.registry-denied",
        ),
        (
            "Error response from daemon: Get \"http://127.0.0.1:5999/v2/\": dial tcp 127.0.0.1:5999: connect: connection refused",
            "docker.registry-unreachable",
        ),
        (
            "Error response from daemon: Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io on 127.0.0.11:53: no such host",
            "docker.registry-unreachable",
        ),
        (
            "Error response from daemon: received unexpected HTTP status: 500 Internal Server Error",
            "docker.registry-unreachable",
        ),
        (
            "Error response from daemon: Get \"https://registry.lan/v2/\": http: server gave HTTP response to HTTPS client",
            "docker.registry-tls",
        ),
        (
            "Error response from daemon: Get \"https://registry.lan/v2/\": x509: certificate signed by unknown authority",
            "docker.registry-tls",
        ),
        (
            "Error response from daemon: toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: https://www.docker.com/increase-rate-limit",
            "docker.rate-limit",
        ),
    ] {
        assert_eq!(of(output).as_deref(), Some(code), "{output}");
    }
}

#[test]
fn engines_and_containers() {
    for (output, code) in [
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            "docker.not-running",
        ),
        (
            "docker: Error response from daemon: driver failed programming external connectivity on endpoint t9 (64af):  (iptables failed: iptables --wait -t nat -A DOCKER -p tcp -d 127.0.0.1 --dport 8090 -j DNAT --to-destination 172.17.0.3:80 ! -i docker0: iptables: No chain/target/match by that name.",
            "docker.firewall",
        ),
        (
            "docker: Error response from daemon: Conflict. The container name \"/kuboard\" is already in use by container \"6428775b\". You have to remove (or rename) that container to be able to reuse that name.",
            "kuboard.foreign-container",
        ),
    ] {
        assert_eq!(of(output).as_deref(), Some(code), "{output}");
    }
    // From dockerd's own source.
    let settings = "unable to configure the Docker daemon with file /etc/docker/daemon.json: invalid character 'u' looking for beginning of value";
    let evidence = ended(scene(), "exit-code", 1, settings);
    assert_eq!(cause(&manual(), &evidence).unwrap().code, "docker.setting");
}

#[test]
fn an_engine_that_forbids_threads_is_too_old_or_its_seccomp_is() {
    // As eip-work/kuboard-press#510 tells it.
    let log = "runtime/cgo: pthread_create failed: Operation not permitted\nSIGABRT: abort";
    let mut evidence = container(scene(), 2, log);
    assert_eq!(cause(&manual(), &evidence).unwrap().code, "docker.seccomp");
    let engine =
        |version: &str| Observed::Known(Some(Docker { version: Some(version.into()), ..Docker::default() }));
    evidence.seen.docker = engine("20.10.5+dfsg1");
    let found = cause(&manual(), &evidence).unwrap();
    assert_eq!(found.code, "docker.too-old");
    assert_eq!(found.message, "Docker 20.10.5+dfsg1 is too old: Kuboard's image needs 20.10.10 or later.");
    evidence.seen.docker = engine("20.10.24");
    assert_eq!(cause(&manual(), &evidence).unwrap().code, "docker.seccomp");
}

#[test]
fn a_store_that_is_not_reached_is_waited_for() {
    let mut evidence = printed(scene(), "not reached from here: etcd1");
    evidence.reach = vec![reached("etcd1", "10.99.16.11", 2379, Reach::Silent)];
    let found = cause(&manual(), &evidence).unwrap();
    assert_eq!((found.code.as_str(), found.lasting), ("kuboard.unreachable-neighbour", false));
    assert!(found.message.contains("etcd1 (10.99.16.11:2379)"), "{}", found.message);
}
