//! `pgwire_login` of the steps' shell text, under three shells, against a server that speaks just enough `PostgreSQL`.
//! What QuestDB itself answers was tried by hand and is tried again in the lab.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

use kuboard_ha::plan::script::RUNTIME;

const SHELLS: [&[&str]; 3] = [&["dash"], &["bash", "--posix"], &["busybox", "sh"]];
const PASSWORD: &str = "a\"b$c\\d e'%s é";

/// What the server does once it has seen the password.
#[derive(Clone, Copy)]
enum Manner {
    Good,
    Refuses,
    HangsUp,
    FailsQueries,
    WantsMd5,
    IsAWebServer,
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or_default();
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

fn exactly(stream: &mut TcpStream, count: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A message's body; its length stands before it.
fn body(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let length = exactly(stream, 4)?;
    let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    exactly(stream, length.saturating_sub(4))
}

/// Whether some process on this machine shows the password in its arguments or environment.
fn is_shown() -> bool {
    let holds = |path: std::path::PathBuf| {
        let text = std::fs::read(path).unwrap_or_default();
        text.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes())
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.map(|entry| entry.path()).any(|path| holds(path.join("cmdline")) || holds(path.join("environ")))
}

fn serve(stream: &mut TcpStream, manner: Manner) -> std::io::Result<()> {
    if matches!(manner, Manner::IsAWebServer) {
        return stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    }
    let startup = body(stream)?;
    assert_eq!(startup, b"\0\x03\0\0user\0admin\0database\0qdb\0\0");
    if matches!(manner, Manner::WantsMd5) {
        return stream.write_all(&message(b'R', b"\0\0\0\x05salt"));
    }
    stream.write_all(&message(b'R', &[0, 0, 0, 3]))?;
    assert_eq!(exactly(stream, 1)?, b"p");
    let given = body(stream)?;
    assert!(!is_shown(), "the password stands in arguments or environment");
    if matches!(manner, Manner::HangsUp) {
        return Ok(());
    }
    if given != [PASSWORD.as_bytes(), b"\0"].concat() || matches!(manner, Manner::Refuses) {
        return stream.write_all(&message(b'E', b"SERROR\0C00000\0Minvalid username/password\0\0"));
    }
    stream.write_all(&message(b'R', &[0; 4]))?;
    stream.write_all(&message(b'S', b"server_version\x0011.3\0"))?;
    stream.write_all(&message(b'K', &[0, 0, 0, 1, 255, 254, 253, 252]))?;
    stream.write_all(&message(b'Z', b"I"))?;
    assert_eq!(exactly(stream, 1)?, b"Q");
    assert_eq!(body(stream)?, b"select 1\0");
    if matches!(manner, Manner::FailsQueries) {
        stream.write_all(&message(b'E', b"SERROR\0Mtable does not exist\0\0"))?;
        return stream.write_all(&message(b'Z', b"I"));
    }
    stream.write_all(&message(b'T', b"\0\x01one\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0"))?;
    stream.write_all(&message(b'D', b"\0\x01\0\0\0\x011"))?;
    stream.write_all(&message(b'C', b"SELECT 1\0"))?;
    stream.write_all(&message(b'Z', b"I"))?;
    assert_eq!(exactly(stream, 1)?, b"X");
    Ok(())
}

/// Logs in with `password`; success, or the last line.
fn login(shell: &[&str], manner: Manner, password: &str) -> Result<(), String> {
    let server = TcpListener::bind("127.0.0.1:0").map_err(|why| why.to_string())?;
    let port = server.local_addr().map_err(|why| why.to_string())?.port();
    let served =
        thread::spawn(move || server.accept().and_then(|(mut stream, _)| serve(&mut stream, manner)));
    let text = format!("{RUNTIME}\npgwire_login 127.0.0.1 {port} admin qdb <\"$0\"\n");
    let secret = tempfile::NamedTempFile::new().map_err(|why| why.to_string())?;
    std::fs::write(secret.path(), password).map_err(|why| why.to_string())?;
    let output = Command::new(shell[0])
        .args(&shell[1..])
        .arg("-c")
        .arg(text)
        .arg(secret.path())
        .stdin(Stdio::null())
        .output()
        .map_err(|why| format!("{shell:?} does not run, install it: {why}"))?;
    let served = served.join().map_err(|_| "the server's own checks failed".to_owned())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return served.map_err(|why| why.to_string());
    }
    Err(said.lines().last().unwrap_or_default().to_owned())
}

#[test]
fn a_right_password_logs_in_and_is_never_shown() {
    for shell in SHELLS {
        assert_eq!(login(shell, Manner::Good, PASSWORD), Ok(()), "{shell:?}");
        assert_eq!(login(shell, Manner::Good, &format!("{PASSWORD}\n")), Ok(()), "{shell:?}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    for shell in SHELLS {
        let said = |manner, password: &str| login(shell, manner, password).err().unwrap_or_default();
        for (manner, expected) in [
            (Manner::Refuses, "refused the login: invalid username/password"),
            (Manner::HangsUp, "ended the connection after the password: it is wrong there"),
            (Manner::FailsQueries, "failed a query: table does not exist"),
            (Manner::WantsMd5, "asks for a way to log in that is not known here (5)"),
            (Manner::IsAWebServer, "does not speak the PostgreSQL protocol"),
        ] {
            let found = said(manner, PASSWORD);
            assert!(found.ends_with(expected), "{shell:?}: {found:?}, expected {expected:?}");
        }
        assert!(said(Manner::Good, "wrong").ends_with("invalid username/password"), "{shell:?}");
    }
}
