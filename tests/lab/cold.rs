//! All hosts lost their power, and get it back one by one.

use std::time::{Duration, Instant};

use crate::lab::Lab;
use crate::net;
use crate::poll::until;
use crate::seed::Seed;
use crate::stands::BOOT;

/// Starts every host in an order drawn by chance: the first at once, the last when `spread` is over, the others at times
/// between.
pub fn start_all(lab: &Lab, what: &str, spread: Duration) {
    let mut seed = Seed::drawn(what);
    let mut order: Vec<&str> = lab.hosts.keys().map(String::as_str).collect();
    seed.shuffle(&mut order);
    let spread = usize::try_from(spread.as_millis()).unwrap();
    let between = order.iter().skip(2).map(|_| seed.below(spread)).collect::<Vec<_>>();
    let mut times: Vec<u64> = [0, spread].into_iter().chain(between).map(|at| at as u64).collect();
    times.sort_unstable();
    let begun = Instant::now();
    for (host, at) in order.iter().zip(&times) {
        std::thread::sleep(Duration::from_millis(*at).saturating_sub(begun.elapsed()));
        lab.hosts_do("start", &[host]);
        eprintln!("  started {host} after {:.1} s", begun.elapsed().as_secs_f64());
    }
}

/// Kuboard lets people in, without anybody's help.
pub fn answers_by_itself(address: &str, port: u16) {
    let begun = Instant::now();
    until(BOOT, &format!("{address}:{port} answers by itself"), || {
        let answer = net::get(address, port, "/sso/auth", Duration::from_secs(5))?;
        if answer.status == 302 { Ok(()) } else { Err(format!("{answer:?}")) }
    });
    eprintln!("  {address} answers {:.1} s after the last host was started", begun.elapsed().as_secs_f64());
}
