//! Why a host that let us in gives no root shell: login shells and sudo, told from what they print. Ours set `LC_ALL=C`
//! before they print anything; of what comes earlier no word is relied on.

use super::boot::last_lines;
use super::frame::Prelude;
use super::options::SessionOptions;
use super::{HostError, HostErrorKind};

/// The far side ended before it said `hello`.
pub(super) fn ended(prelude: &Prelude, stderr: &str) -> HostError {
    let said = last_lines(&format!("{}\n{stderr}", prelude.noise.join("\n")), 3);
    if prelude.user.is_some() {
        return named(refused(&said), prelude);
    }
    if said.is_empty() {
        // A login that a shutting-down sshd cuts off looks the same, so it is worth another try.
        let message = "the login ended without a word before a command had run";
        return HostError::new(HostErrorKind::Disconnected, message).hint(LOGIN_SHELL);
    }
    let message = format!("the login shell did not run a command; it said: {said}");
    HostError::new(HostErrorKind::Shell, message).hint(LOGIN_SHELL)
}

/// The far side said no `hello` in time.
pub(super) fn silent(prelude: &Prelude, stderr: &str, options: &SessionOptions) -> HostError {
    let seconds = options.deadlines.hello.as_secs();
    let said = last_lines(&format!("{}\n{stderr}", prelude.noise.join("\n")), 1);
    let colon = if said.is_empty() { "" } else { ": " };
    if prelude.user.is_some() {
        // PAM may ask something that is no plain password prompt; nothing is ever sent to that.
        let message = format!("sudo waits for something that is not given, after {seconds} s{colon}{said}");
        return HostError::new(HostErrorKind::Sudo, message).hint(
            "see what it waits for, as this user on the host:\n  sudo -S true\n\
             a name server or a directory that does not answer, a one-time code, a fingerprint reader?",
        );
    }
    let message = format!("the login had run no command after {seconds} s{colon}{said}");
    // Without a word the machine may just be slow, or frozen.
    let kind = if said.is_empty() { HostErrorKind::Silent } else { HostErrorKind::Shell };
    HostError::new(kind, message)
        .hint(format!("does ~/.bashrc or the like there wait for input? {LOGIN_SHELL}"))
}

/// Sudo asks for a password a second time.
pub(super) fn wrong_password() -> HostError {
    HostError::new(HostErrorKind::Sudo, "sudo refused the password")
        .hint("check `ssh.sudo_password`; it is the login user's own password, on the host:\n  sudo -k true")
}

/// Sudo asks for a password that nobody gave.
pub(super) fn no_password() -> HostError {
    HostError::new(HostErrorKind::Sudo, "sudo wants a password and none was given").hint(
        "give it: `ssh: { sudo_password: { env: SUDO_PASSWORD } }`, or ask for none, as root on the host:\n  \
         echo 'USER ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/USER",
    )
}

/// The same, telling of that user by name where it is known.
pub(super) fn named(error: HostError, prelude: &Prelude) -> HostError {
    let hint = match &prelude.user {
        Some(user) => error.hint.map(|hint| hint.replace("USER", user)),
        None => error.hint,
    };
    HostError { hint, ..error }
}

/// What to do for a host that said that it cannot go on.
pub(super) fn broken(why: &str) -> Option<String> {
    let place = why.split(' ').find(|word| word.starts_with('/')).map(|word| word.trim_end_matches(':'));
    let place = place.unwrap_or("/");
    if why.contains("No space left") || why.contains("KiB are free") {
        Some(format!("make room on the host, bytes or inodes:\n  df -h {place}; df -i {place}"))
    } else if why.contains("Read-only file system") {
        let see = format!("findmnt -T {place}; dmesg | grep -i -e remount -e 'I/O error'");
        Some(format!("a disk that fails is made read-only by the kernel; see why, on the host:\n  {see}"))
    } else {
        None
    }
}

const LOGIN_SHELL: &str = "the user needs a login shell that runs what ssh is given; no forced command, no restricted \
                           shell, no exit in its start-up files. On the host:\n  getent passwd USER\n  \
                           usermod -s /bin/bash USER";

/// Words that sudo says, what they mean, and what to do.
const SUDO: &[(&str, HostErrorKind, &str, &str)] = &[
    (
        "must have a tty",
        HostErrorKind::SudoTty,
        "sudo wants a terminal (requiretty)",
        "exempt this user, as root on the host:\n  echo 'Defaults:USER !requiretty' >/etc/sudoers.d/USER-tty",
    ),
    (
        "a terminal is required",
        HostErrorKind::SudoTty,
        "sudo wants a terminal to ask for a password",
        "give `ssh.sudo_password`, or let this user run sudo without one",
    ),
    (
        "not in the sudoers file",
        HostErrorKind::Sudo,
        "the user may not use sudo",
        "allow it, as root on the host; the group is wheel on RHEL and its kin:\n  usermod -aG sudo USER",
    ),
    (
        "not allowed to execute",
        HostErrorKind::Sudo,
        "the user may not run everything through sudo",
        "allow it, as root on the host:\n  echo 'USER ALL=(ALL) ALL' >/etc/sudoers.d/USER",
    ),
    (
        "incorrect password attempt",
        HostErrorKind::Sudo,
        "sudo refused the password",
        "check `ssh.sudo_password`; it is the login user's own password, on the host:\n  sudo -k true",
    ),
    (
        "sudo: not found",
        HostErrorKind::Sudo,
        "there is no sudo",
        "install it, or log in as root: `ssh: { user: root }`",
    ),
    (
        "nosuid",
        HostErrorKind::Sudo,
        "sudo cannot become root",
        "sudo must lie on a file system without nosuid; or log in as root: `ssh: { user: root }`",
    ),
];

/// The login shell ran what it was given, and there it ended.
fn refused(said: &str) -> HostError {
    for (words, kind, meaning, hint) in SUDO {
        if said.contains(words) {
            return HostError::new(*kind, format!("{meaning}: {said}")).hint(*hint);
        }
    }
    if said.contains("sudo") {
        return HostError::new(HostErrorKind::Sudo, format!("sudo refused: {said}"))
            .hint("see what this user may do, on the host:\n  sudo -l");
    }
    if said.is_empty() {
        let message = "the connection ended before a root shell had started";
        return HostError::new(HostErrorKind::Disconnected, message);
    }
    HostError::new(HostErrorKind::Shell, format!("no root shell could be started: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sudo_says_is_understood() {
        for (said, kind, meaning) in [
            ("sudo: sorry, you must have a tty to run sudo", HostErrorKind::SudoTty, "requiretty"),
            (
                "sudo: a terminal is required to read the password; either use the -S option to read from standard \
                 input or configure an askpass helper\nsudo: a password is required",
                HostErrorKind::SudoTty,
                "terminal",
            ),
            (
                "ops is not in the sudoers file.  This incident will be reported.",
                HostErrorKind::Sudo,
                "may not use",
            ),
            ("ops is not in the sudoers file.", HostErrorKind::Sudo, "may not use"),
            (
                "Sorry, user ops is not allowed to execute '/bin/sh -c true' as root on far.",
                HostErrorKind::Sudo,
                "everything",
            ),
            (
                "Sorry, try again.\nsudo: 1 incorrect password attempt",
                HostErrorKind::Sudo,
                "refused the password",
            ),
            ("/bin/sh: 1: exec: sudo: not found", HostErrorKind::Sudo, "there is no sudo"),
            ("/bin/sh: line 1: exec: sudo: not found", HostErrorKind::Sudo, "there is no sudo"),
            (
                "sudo: effective uid is not 0, is /usr/bin/sudo on a file system with the 'nosuid' option set or an NFS \
                 file system without root privileges?",
                HostErrorKind::Sudo,
                "become root",
            ),
            ("sudo: ldap_sasl_bind_s(): Can't contact LDAP server", HostErrorKind::Sudo, "LDAP"),
        ] {
            let error = refused(said);
            assert_eq!(error.kind, kind, "{said}");
            assert!(error.message.contains(meaning) && error.hint.is_some(), "{error:?}");
        }
        assert_eq!(refused("").kind, HostErrorKind::Disconnected);
    }
}
