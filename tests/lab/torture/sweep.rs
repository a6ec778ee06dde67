//! A run that is killed at its first frame, the next one at its second, and so on, until one comes to its end before its
//! frame does. Each is asked for another value, so that each has the whole of the change before it.

use super::blows::Blow;
use super::changes::{Change, snapshot_count};
use super::{MEMBERS, TRIES, Torture, at, is_frame, planned};
use crate::writer::Writer;

/// From so many kills on there is time for every frame.
const EACH: usize = 100;
/// Else the next run is killed so many frames further on,
const STRIDE: usize = 7;
/// and this part of the kills is spent here.
const PART: usize = 2;
/// The first value of the setting.
const VALUE: usize = 20_001;

impl Torture<'_> {
    /// The chain of all frames. It ends as every chain does.
    pub(super) fn sweep(&mut self) {
        let change = Change::Swept;
        eprintln!("-- {}", change.title());
        let writer = Writer::start(&self.lab.etcd(&MEMBERS), change.title());
        let each = self.wanted >= EACH;
        let mut chance = self.seed.fork(3_000_000);
        let mut begin = || if each { 1 } else { 1 + chance.below(STRIDE) };
        let (mut frame, mut kills, mut held_up) = (begin(), 0, 0);
        for value in VALUE.. {
            snapshot_count(self.lab, value);
            match self.killed_at(change, frame) {
                Some(true) => {
                    self.report.swept(frame);
                    (kills, held_up) = (kills + 1, 0);
                    frame += if each { 1 } else { STRIDE };
                    if !each && kills >= self.wanted / PART {
                        break;
                    }
                }
                // It came to its end first: so there is no further frame.
                Some(false) if each => break,
                Some(false) => frame = begin(),
                None => {
                    held_up += 1;
                    assert!(held_up < TRIES, "no run gets as far as frame {frame}");
                }
            }
        }
        self.last(change, Some(writer));
    }

    /// A run that is killed at that frame: whether it was; `None` where it ended before without having done all.
    fn killed_at(&mut self, change: Change, frame: usize) -> Option<bool> {
        let mut up = self.machine.start(self.lab, &["up", "-o", "json", "--yes"]);
        let (mut seen, mut of, mut blows) = (0, 0, Vec::new());
        while let Some(event) = up.next_event() {
            of = planned(&event).filter(|frames| *frames > 0).unwrap_or(of);
            seen += usize::from(is_frame(&event));
            if seen == frame && event["kind"] != "outcome" {
                up.kill();
                blows.push(Blow::killed());
                self.report.struck(change, &blows[0], seen, of, &at(&event));
                break;
            }
        }
        let outcome = up.finish();
        self.lab.keep(&outcome);
        self.ended(&outcome, &blows);
        self.report.killed(usize::from(outcome.code.is_none()));
        self.look();
        match outcome.code {
            None => Some(true),
            Some(0) => Some(false),
            Some(_) => None,
        }
    }
}
