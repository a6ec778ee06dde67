//! How long the parts of a look took, by the host's own clock since boot.

use std::collections::BTreeMap;
use std::time::Duration;

/// Lines of `NAME FROM TO`, in seconds since boot, to a hundredth. A name that comes again adds to its time.
pub fn parts(lines: &[&str]) -> BTreeMap<String, Duration> {
    let mut parts: BTreeMap<String, Duration> = BTreeMap::new();
    for line in lines {
        if let [name, from, to] = line.split(' ').collect::<Vec<_>>().as_slice()
            && let (Some(from), Some(to)) = (since_boot(from), since_boot(to))
        {
            *parts.entry((*name).to_owned()).or_default() += to.saturating_sub(from);
        }
    }
    parts
}

fn since_boot(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_and_nonsense_is_passed_over() {
        let lines =
            ["text 7.10 7.12", "text 7.12 7.15", "docker 7.00 7.40", "x", "x 1 -inf", "x nan 2", "x 3 2"];
        let millis = |text: &str| parts(&lines).get(text).map(Duration::as_millis);
        assert_eq!((millis("text"), millis("docker"), millis("x")), (Some(50), Some(400), Some(0)));
    }
}
