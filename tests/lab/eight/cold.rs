//! The power fails: first for the quorum, then for all. Then it comes back.

use std::time::{Duration, Instant};

use super::stands::holds;
use super::{BALANCERS, BOOT, MEMBERS, is_healthy};
use crate::lab::Lab;
use crate::net;
use crate::poll::until;
use crate::seed::Seed;

/// Over how long the hosts come back.
const SPREAD: Duration = Duration::from_secs(20);

pub fn boot(lab: &Lab) {
    let id = lab.etcd(&MEMBERS).cluster_id();
    lab.hosts_do("kill", &["etcd2", "etcd3"]);
    let status = lab.status();
    assert_eq!(status["verdict"], "down", "two of three members are dead: {status:#}");
    assert!(status["reasons"].to_string().contains("quorum"), "{status:#}");

    let rest: Vec<&str> =
        lab.hosts.keys().map(String::as_str).filter(|host| !["etcd2", "etcd3"].contains(host)).collect();
    lab.hosts_do("kill", &rest);
    let status = lab.status();
    assert_eq!(status["verdict"], "down", "everything is dead: {status:#}");
    let plain = lab.run(&["status", "-o", "plain"]).exits(0).within(8.0);
    assert!(plain.stdout.contains("down"), "{}", plain.told());

    start_all(lab, "cold boot of eight hosts");
    let port = if lab.inventory.text().contains("port: 8080") { 8080 } else { 80 };
    let begun = Instant::now();
    until(BOOT, "the floating address answers by itself", || {
        let answer = net::get(&lab.floating(), port, "/sso/auth", Duration::from_secs(5))?;
        if answer.status == 302 { Ok(()) } else { Err(format!("{answer:?}")) }
    });
    eprintln!(
        "  the floating address answers {:.1} s after the last host was started",
        begun.elapsed().as_secs_f64()
    );
    lab.until_status(BOOT, "healthy after a cold boot", is_healthy);
    assert_eq!(BALANCERS.into_iter().filter(|host| holds(lab, host)).count(), 1);
    assert_eq!(lab.etcd(&MEMBERS).cluster_id(), id, "another cluster");
    let again = lab.up();
    assert!(again.stdout.contains("nothing changed"), "{}", again.told());
}

/// Starts every host in an order and at times drawn by chance.
pub fn start_all(lab: &Lab, what: &str) {
    let mut seed = Seed::drawn(what);
    let mut order: Vec<&str> = lab.hosts.keys().map(String::as_str).collect();
    seed.shuffle(&mut order);
    let spread = usize::try_from(SPREAD.as_millis()).unwrap();
    let mut times: Vec<u64> = order.iter().map(|_| seed.below(spread) as u64).collect();
    times.sort_unstable();
    let begun = Instant::now();
    for (host, at) in order.iter().zip(&times) {
        std::thread::sleep(Duration::from_millis(*at).saturating_sub(begun.elapsed()));
        lab.hosts_do("start", &[host]);
    }
    eprintln!(
        "  started {}",
        order
            .iter()
            .zip(&times)
            .map(|(host, at)| format!("{host} at {at} ms"))
            .collect::<Vec<_>>()
            .join(", ")
    );
}
