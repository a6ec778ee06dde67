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
    /// All header lines.
    pub head: String,
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

fn ask(address: &str, port: u16, line: &str, body: &str, limit: Duration) -> Result<Answer, String> {
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
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| format!("{address}:{port}: {line}: no HTTP answer: {head:?}"))?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}
