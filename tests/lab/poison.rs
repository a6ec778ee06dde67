//! Words that nobody may see, and where they are looked for: as they are (which is how JSON and addresses write them,
//! too: they are made of plain characters) and in base64.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::argv;
use crate::lab::Lab;

/// The words, in all the forms that they are looked for.
pub struct Poison(Vec<String>);

impl Poison {
    pub fn new(words: &[&str]) -> Self {
        let forms =
            words.iter().flat_map(|word| [(*word).to_owned()].into_iter().chain(in_base64(word.as_bytes())));
        Self(forms.collect())
    }

    /// Every form of every word.
    pub fn forms(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Fails the test if one of them stands in a text.
    #[track_caller]
    pub fn is_not_in(&self, what: &str, text: &str) {
        for form in self.forms() {
            if let Some(at) = text.find(form) {
                let line = text[..at].rfind('\n').map_or(0, |at| at + 1);
                let rest: String =
                    text[line..].lines().next().unwrap_or_default().chars().take(400).collect();
                panic!("{form} stands in {what}: {rest}");
            }
        }
    }

    /// Fails the test if one of them stands in a file of this machine below folders with names that begin so.
    #[track_caller]
    pub fn is_not_below(&self, folder: &Path, beginning: &str) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if !entry.file_name().to_string_lossy().starts_with(beginning) {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.is_not_below(&path, "");
            } else if entry.metadata().is_ok_and(|meta| meta.is_file() && meta.len() < 1 << 20) {
                let text = std::fs::read(&path).unwrap_or_default();
                self.is_not_in(&path.to_string_lossy(), &String::from_utf8_lossy(&text));
            }
        }
    }

    /// Fails the test if one of them was printed, or stands in a command line of either side, in a journal, in what is
    /// collected for a bug report, in what is left on this machine, or in a file of a host that others can read. The
    /// command lines of the hosts were watched by [`argv::watch`].
    #[track_caller]
    pub fn is_seen_nowhere(&self, lab: &Lab, hosts: &[&str], watch: &Watch) {
        self.is_not_in("what the program printed", &lab.printed());
        for (host, noted) in argv::noted(lab, hosts) {
            self.is_not_in(&format!("a command line on {host}"), &noted);
        }
        assert_eq!(watch.seen(), Vec::<String>::new(), "in a command line of this machine");
        self.is_not_in("what is collected for a bug report", &lab.collect("report"));
        for host in hosts {
            let journal = lab.exec(host, "journalctl --no-pager -o cat; docker logs kuboard 2>&1; true");
            self.is_not_in(&format!("the journal of {host}"), &journal);
            assert_eq!(self.open_files(lab, host), "", "others can read a secret on {host}");
        }
        for folder in ["/tmp", "/run/user"].map(Path::new) {
            self.is_not_below(folder, "kuha-");
        }
        self.is_not_below(&lab.file("..").join("cache"), "");
    }

    /// The files of a host that hold one of them and that others than root and the services can read.
    pub fn open_files(&self, lab: &Lab, host: &str) -> String {
        let forms: String = self.forms().map(|form| format!(" -e '{form}'")).collect();
        let script = format!(
            "grep -rlF{forms} /etc /opt /run /tmp /home /root /data /var/lib/kuboard-ha /var/log /var/cache /usr/local \
             2>/dev/null | while read -r file; do ! runuser -u nobody -- test -r \"$file\" || echo \"$file\"; done; true"
        );
        lab.exec(host, &script)
    }
}

/// What stands in base64 wherever the word begins: in the middle of a text each byte may come first, second or third.
fn in_base64(word: &[u8]) -> Vec<String> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut forms = Vec::new();
    for skipped in 0..3 {
        let whole = word[skipped..].chunks_exact(3);
        let digits = whole.flat_map(|three| {
            let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
            [18, 12, 6, 0].map(|shift| char::from(DIGITS[(bits >> shift) as usize & 63]))
        });
        forms.push(digits.collect());
    }
    forms
}

/// Looks at the command lines of all processes of this machine, twenty times a second. Its hosts are containers: their
/// processes are among them.
pub struct Watch {
    seen: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub fn begin(words: &[&str]) -> Self {
        let (seen, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (told, ends) = (Arc::clone(&seen), Arc::clone(&stop));
        let poison = Poison::new(words);
        let thread = std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
                    let Ok(line) = std::fs::read(entry.path().join("cmdline")) else { continue };
                    let line = String::from_utf8_lossy(&line).replace('\0', " ");
                    if poison.forms().any(|form| line.contains(form)) {
                        told.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                    }
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        Self { seen, stop, thread: Some(thread) }
    }

    /// The command lines that hold one of the words.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
