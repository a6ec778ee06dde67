//! How the program ends, as a number that scripts rely on.

use std::fmt::Write as _;
use std::process::ExitCode;

/// Every exit code, in the order of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Ok,
    /// A bug, or trouble of this machine that no other code names.
    Unexpected,
    /// The command line could not be understood.
    Usage,
    /// The inventory could not be read, or says something that cannot be.
    Inventory,
    /// A host could not be reached.
    Unreachable,
    /// Something found on a host, or consent that was not given, forbids going on. In a first round
    /// nothing was changed; later, what was done before stays.
    Blocked,
    /// A step failed on a host.
    ApplyFailed,
    /// Everything was done, and something still differs.
    NotConverged,
    /// A download, or the verification of one, failed.
    Download,
    /// Another run holds a host.
    Locked,
    /// With `--check`: changes are pending, or the cluster is degraded.
    Pending,
    /// A signal asked for the end.
    Interrupted,
}

impl Exit {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Ok,
        Self::Unexpected,
        Self::Usage,
        Self::Inventory,
        Self::Unreachable,
        Self::Blocked,
        Self::ApplyFailed,
        Self::NotConverged,
        Self::Download,
        Self::Locked,
        Self::Pending,
        Self::Interrupted,
    ];

    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::Inventory => 3,
            Self::Unreachable => 4,
            Self::Blocked => 5,
            Self::ApplyFailed => 6,
            Self::NotConverged => 7,
            Self::Download => 8,
            Self::Locked => 9,
            Self::Pending => 10,
            Self::Interrupted => 130,
        }
    }

    /// What the number means, in a few words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unexpected => "unexpected error",
            Self::Usage => "wrong usage",
            Self::Inventory => "the inventory is invalid",
            Self::Unreachable => "a host is not reachable",
            Self::Blocked => {
                "blocked: a finding or missing consent forbids to begin, or to go on; `up` says what was changed before"
            }
            Self::ApplyFailed => "a step failed on a host",
            Self::NotConverged => "everything was done, and something still differs",
            Self::Download => "a download or its verification failed",
            Self::Locked => "another run holds a host",
            Self::Pending => "with --check: changes are pending, or the cluster is degraded",
            Self::Interrupted => "interrupted by a signal",
        }
    }

    /// The one to end with where several apply: the first of 3, 4, 5, 10, and `Ok` where none does.
    pub fn first_of(candidates: impl IntoIterator<Item = Self>) -> Self {
        candidates
            .into_iter()
            .filter(|exit| *exit != Self::Ok)
            .min_by_key(|exit| exit.code())
            .unwrap_or(Self::Ok)
    }

    /// The table of all codes, as `--help` prints it.
    pub fn table() -> String {
        Self::ALL.iter().fold(String::new(), |mut table, exit| {
            let _ = writeln!(table, "  {:>3}  {}", exit.code(), exit.meaning());
            table
        })
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_several_wins() {
        assert_eq!(Exit::first_of([Exit::Pending, Exit::Blocked, Exit::Unreachable]), Exit::Unreachable);
        assert_eq!(Exit::first_of([Exit::Ok, Exit::Pending]), Exit::Pending);
        assert_eq!(Exit::first_of([]), Exit::Ok);
    }

    #[test]
    fn codes_are_those_of_the_contract() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 130]);
    }
}
