//! Files that are meant to fill the memory or the day: the program says what is wrong with them, soon and in little room.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// What the program may map in all, in KiB; with its libraries and threads it takes a third of it.
const ROOM: u32 = 1_000_000;
/// It takes a tenth of a second; this machine may be busy.
const LONGEST: Duration = Duration::from_secs(30);

/// Runs the program in that room and time, and gives what it said.
#[track_caller]
fn run(arguments: &[&str], code: i32) -> String {
    let begun = Instant::now();
    let Output { status, stdout, stderr } = Command::new("sh")
        .args([
            "-c",
            &format!("ulimit -v {ROOM}; exec timeout 60 \"$@\""),
            "sh",
            env!("CARGO_BIN_EXE_kuboard-ha"),
        ])
        .args(arguments)
        .env_remove("KUBOARD_HA_INVENTORY")
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    let head: String = said.chars().take(2000).collect();
    assert_eq!(status.code(), Some(code), "{head}");
    assert!(begun.elapsed() < LONGEST && said.len() < 200_000, "{:?}, {} bytes", begun.elapsed(), said.len());
    said
}

fn refused(text: &[u8]) -> String {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text).unwrap();
    run(&["check", file.path().to_str().unwrap()], 3)
}

fn repeated(piece: &str, size: usize) -> String {
    piece.repeat(size / piece.len())
}

#[test]
fn inventories_that_explode_are_refused_with_their_place() {
    let level =
        |level: usize| format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 9].join(", "));
    let anchors = "a0: &a0 [x, x]\n".to_owned() + &(1..40).map(level).collect::<String>();
    assert!(refused(anchors.as_bytes()).contains(":1:"));
    for nested in ["[", "{a: ", "- ", "? ", "&a [", "!!map {a: "] {
        refused(repeated(nested, 500_000).as_bytes());
    }
    refused(
        format!("cluster: c\n{}", (0..40_000).map(|i| format!("k{i}: {i}\n")).collect::<String>()).as_bytes(),
    );
    refused(
        format!("{{{}}}", (0..4_000).map(|i| format!("\"k{i}\": {{x: \"{i}\"}}, ")).collect::<String>())
            .as_bytes(),
    );
    for line in ["passw", "password: ", "token: 'x", "://@", "a: 'b'# ", "\t", "\u{feff}", "é", "#"] {
        refused(repeated(line, 1 << 20).as_bytes());
    }
    assert!(refused(b"cluster: c\n\xff\xfe").contains("line 2, column 1: this is not UTF-8"));
}

#[test]
fn files_without_end_are_not_read_to_their_end() {
    for piece in ["a: b\n", "passw"] {
        assert!(refused(repeated(piece, 100 << 20).as_bytes()).contains("more than 1048576 bytes"));
    }
    assert!(run(&["check", "/dev/zero"], 3).contains("more than 1048576 bytes"));
}

#[test]
fn secrets_and_certificates_without_end_are_not_read_to_their_end() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sample = std::fs::read_to_string(root.join("inventories/two-balancers.yaml")).unwrap();
    let secret =
        sample.replace("kuboard:\n  hosts:", "kuboard:\n  admin_password: { file: /dev/zero }\n  hosts:");
    assert!(
        refused(secret.replace("cluster: kuboard", "cluster: c").as_bytes())
            .contains("more than 32768 bytes")
    );
    let tls = sample + "  tls: { certificate: /dev/zero, key: { file: /dev/zero } }\n";
    assert!(refused(tls.as_bytes()).contains("more than 1048576 bytes"));
}

#[test]
fn saved_facts_that_explode_are_refused() {
    for text in
        [repeated("[", 1 << 20), repeated("{\"hosts\":", 1 << 20), format!("\"{}", repeated("x", 50 << 20))]
    {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        run(&["plan", "--facts", file.path().to_str().unwrap(), "inventories/manual.yaml"], 2);
    }
}
