//! Events for programs: one a line, each with the schema and the time.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::cli::output::feed::Renderer;
use crate::event::{Event, SCHEMA};

/// A line of the stream.
#[derive(Serialize)]
pub struct Line<T> {
    schema: &'static str,
    time: String,
    #[serde(flatten)]
    payload: T,
}

impl<T: Serialize> Line<T> {
    /// The payload, which has a `kind`, at that time.
    pub fn new(payload: T, at: SystemTime) -> Self {
        Self { schema: SCHEMA, time: rfc3339(at), payload }
    }
}

/// Writes events as lines of JSON.
pub struct JsonLines {
    out: Box<dyn Write + Send>,
}

impl JsonLines {
    /// Writes there.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out }
    }
}

impl Renderer for JsonLines {
    fn render(&mut self, event: &Event, at: SystemTime) {
        if let Ok(line) = serde_json::to_string(&Line::new(event, at)) {
            let _ = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
        }
    }
}

/// `2024-02-29T12:00:00.250Z`, in UTC. A time before 1970 counts as 1970.
pub fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Days to a date, counted in years that begin in March (Hinnant, "chrono-compatible low-level date
    // algorithms"): the leap day is then a year's last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::resource::HostName;

    #[test]
    fn times_are_rfc3339_in_utc() {
        // date -u -d @SECONDS +%FT%TZ
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_line_has_schema_time_and_kind() {
        let event = Event::HostConnected { host: HostName::new("etcd1") };
        let line = serde_json::to_string(&Line::new(&event, UNIX_EPOCH)).unwrap();
        assert_eq!(
            line,
            r#"{"schema":"kuboard-ha.event/1","time":"1970-01-01T00:00:00.000Z","kind":"host-connected","host":"etcd1"}"#
        );
    }
}
