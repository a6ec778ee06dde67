//! Waiting for something that takes its time: asked again and again, never slept for.

use std::time::{Duration, Instant};

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(100);

/// Asks until the answer is good. When the time is up the test fails with the last bad one.
pub fn until<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(why) if begun.elapsed() >= limit => {
                panic!("not so after {} s: {what}; seen last: {why}", limit.as_secs())
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}
