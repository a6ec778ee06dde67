//! What this machine sees of the hosts' ports: plain TCP and HTTP/1.0, with deadlines.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// For a connection to be accepted; the hosts are on this machine.
const CONNECT: Duration = Duration::from_secs(1);

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// As in 200.
    pub status: u16,
    /// The rest.
    pub body: String,
}

/// Connects to `address:port`.
pub fn connect(address: &str, port: u16) -> Result<TcpStream, String> {
    let socket: SocketAddr = format!("{address}:{port}").parse().unwrap();
    TcpStream::connect_timeout(&socket, CONNECT).map_err(|error| format!("{socket}: {error}"))
}

/// Whether a connection is accepted.
pub fn is_open(address: &str, port: u16) -> bool {
    connect(address, port).is_ok()
}

/// `GET path`.
pub fn get(address: &str, port: u16, path: &str, limit: Duration) -> Result<Answer, String> {
    ask(address, port, &format!("GET {path}"), "", limit)
}

/// `POST path` with a JSON body.
pub fn post(address: &str, port: u16, path: &str, body: &str, limit: Duration) -> Result<Answer, String> {
    ask(address, port, &format!("POST {path}"), body, limit)
}

/// Fetches a file.
pub fn download(address: &str, port: u16, path: &str) -> Vec<u8> {
    let (status, body) =
        exchange(address, port, &format!("GET {path}"), "", Duration::from_secs(30)).unwrap();
    assert_eq!(status, 200, "{path}");
    body
}

fn ask(address: &str, port: u16, line: &str, body: &str, limit: Duration) -> Result<Answer, String> {
    let (status, body) = exchange(address, port, line, body, limit)?;
    Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
}

fn exchange(
    address: &str,
    port: u16,
    line: &str,
    body: &str,
    limit: Duration,
) -> Result<(u16, Vec<u8>), String> {
    let failed = |error: std::io::Error| format!("{address}:{port}: {line}: {error}");
    let mut stream = connect(address, port)?;
    stream.set_read_timeout(Some(limit)).map_err(failed)?;
    stream.set_write_timeout(Some(limit)).map_err(failed)?;
    let request = format!(
        "{line} HTTP/1.0\r\nHost: {address}:{port}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(failed)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.ok_or_else(|| format!("{address}:{port}: {line}: no HTTP answer"))?;
    let body = answer.split_off(end + 4);
    let head = String::from_utf8_lossy(&answer);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| format!("{address}:{port}: {line}: no HTTP answer: {head:?}"))?;
    Ok((status, body))
}
