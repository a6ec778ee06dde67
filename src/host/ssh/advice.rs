//! What to do against a login that failed, with commands to be copied.

use super::super::HostErrorKind;
use super::failure::Log;
use super::master::Login;
use crate::plan::script::quote;

/// What the advice speaks of.
pub(super) struct Advice<'a>(pub(super) &'a Login<'a>);

impl Advice<'_> {
    /// What to do against that kind of trouble.
    pub(super) fn against(&self, kind: HostErrorKind, log: Log<'_>) -> Option<String> {
        let login = self.0;
        let port = login.port.map_or_else(|| "its port".to_owned(), |port| format!("port {port}"));
        let host = word(login.host);
        let by_hand = |more: &str| format!("\n  {}", self.by_hand(more));
        Some(match kind {
            HostErrorKind::HostKeyUnknown => {
                let scan = match login.port {
                    _ if login.jump.is_some() => String::new(),
                    Some(port) if port != 22 => {
                        format!("  ssh-keyscan -p {port} {host} >>~/.ssh/known_hosts\n")
                    }
                    _ => format!("  ssh-keyscan {host} >>~/.ssh/known_hosts\n"),
                };
                format!(
                    "compare it with the host's own, there:\n  ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\nthen \
                     accept it:{}\nor, trusting what answers now:\n{scan}  ssh: {{ host_keys: accept-new }}  in the \
                     inventory",
                    by_hand("-o StrictHostKeyChecking=ask")
                )
            }
            HostErrorKind::HostKeyChanged => {
                let file =
                    log.offending().map_or_else(String::new, |(file, _)| format!("-f {} ", word(file)));
                let name = log.known_as().unwrap_or(login.host);
                format!(
                    "if the host was set up anew, forget its old key and accept the new one:\n  ssh-keygen {file}-R \
                     {}{}\nif it was not, somebody may stand in between: do not log in",
                    word(name),
                    by_hand("-o StrictHostKeyChecking=ask")
                )
            }
            HostErrorKind::Login => self.login(log),
            HostErrorKind::Forwarding => format!(
                "its sshd must forward connections (`AllowTcpForwarding yes`, `PermitOpen`); try it by hand:{}",
                by_hand("")
            ),
            HostErrorKind::NoSuchName => {
                format!("check its address, or `ssh.host`, in the inventory:\n  getent hosts {host}")
            }
            HostErrorKind::Refused => format!(
                "it runs, and nothing listens on {port}: is sshd up (on its console: systemctl status ssh sshd), is \
                 `ssh.port` right?{}",
                by_hand("-v")
            ),
            HostErrorKind::HungUp => format!(
                "is sshd starting, or full (`MaxStartups`), or does it refuse this address? `--parallel 4` asks \
                 fewer at a time, and a bastion named by `ssh.proxy_jump` is asked once for all hosts{}",
                by_hand("-v")
            ),
            HostErrorKind::Unreachable | HostErrorKind::Silent => {
                format!("does it run, is its address right, does a firewall drop {port}?{}", by_hand("-v"))
            }
            HostErrorKind::Protocol if log.0.contains("Unable to negotiate") => format!(
                "its sshd knows only what this ssh no longer trusts; allow that for this host in a file that \
                 `ssh.config_file` names, for example:\n  HostKeyAlgorithms +ssh-rsa\n  PubkeyAcceptedAlgorithms \
                 +ssh-rsa{}",
                by_hand("-v")
            ),
            HostErrorKind::Local if log.0.contains("Bad owner or permissions") => {
                "only you may write to ssh's files:\n  chmod 700 ~/.ssh; chmod 600 ~/.ssh/config".to_owned()
            }
            HostErrorKind::Local if log.0.contains("onfig") => {
                "mend that file, or name another as `ssh.config_file` in the inventory".to_owned()
            }
            _ => return None,
        })
    }

    fn login(&self, log: Log<'_>) -> String {
        let login = self.0;
        let key = |name: &str| if name.starts_with('/') { word(name) } else { "~/.ssh/KEY".to_owned() };
        if log.0.contains("Too many authentication failures") {
            return "name the right key, then only that is offered: `ssh: { identity_file: ~/.ssh/KEY }`; what the agent \
                    offers:\n  ssh-add -l"
                .to_owned();
        }
        if log.0.contains("bad permissions") {
            let file = login.identity_file.map_or("~/.ssh/KEY".into(), |file| word(&file.to_string_lossy()));
            return format!("a key that others may read is not used:\n  chmod 600 {file}");
        }
        if let Some(accepted) = log.accepted() {
            return format!(
                "unlock it for this session:\n  eval \"$(ssh-agent)\"; ssh-add {}",
                key(accepted)
            );
        }
        if login.password.is_some() {
            return format!(
                "check `ssh.user` and `ssh.password`; by hand:\n  {}",
                self.by_hand("-o PubkeyAuthentication=no")
            );
        }
        let first = log.offered().first().map_or_else(|| "~/.ssh/KEY".to_owned(), |name| key(name));
        let user = login.user.or(log.user()).map_or_else(String::new, |user| format!("{user}@"));
        let port =
            login.port.filter(|port| *port != 22).map_or_else(String::new, |port| format!("-p {port} "));
        format!(
            "is `ssh.user` right? Give its key (`ssh.identity_file`) or password (`ssh.password`), unlock it for the \
             agent, or let the host know it:\n  ssh-add {first}; ssh-add -l\n  ssh-copy-id -i {first} {port}{}",
            word(&format!("{user}{}", login.host))
        )
    }

    /// The same login for a person to type.
    fn by_hand(&self, more: &str) -> String {
        let login = self.0;
        let mut words = vec!["ssh".to_owned()];
        words.extend((!more.is_empty()).then(|| more.to_owned()));
        if let Some(file) = login.config_file {
            words.extend(["-F".to_owned(), word(&file.to_string_lossy())]);
        }
        if let Some(file) = login.identity_file {
            words.extend(["-i".to_owned(), word(&file.to_string_lossy())]);
        }
        if let Some(port) = login.port.filter(|port| *port != 22) {
            words.extend(["-p".to_owned(), port.to_string()]);
        }
        if let Some(jump) = login.jump {
            words.extend(["-J".to_owned(), word(jump)]);
        }
        let user = login.user.map_or_else(String::new, |user| format!("{user}@"));
        words.push(word(&format!("{user}{}", login.host)));
        words.push("true".to_owned());
        words.join(" ")
    }
}

/// A word of a command, in quotes only where it needs them.
fn word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@%+=:,./_-".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) { text.to_owned() } else { quote(text) }
}
