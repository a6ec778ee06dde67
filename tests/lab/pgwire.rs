//! A login at QuestDB over the Postgres wire protocol 3.0, and one query.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::net;

/// Logs in as `admin` and runs a query; an error says what the server said.
pub fn query(address: &str, password: &str, text: &str) -> Result<(), String> {
    let mut stream = net::connect(address, 8812)?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(|error| error.to_string())?;
    let mut startup = vec![0, 3, 0, 0];
    for word in ["user", "admin", "database", "qdb"] {
        startup.extend_from_slice(word.as_bytes());
        startup.push(0);
    }
    startup.push(0);
    send(&mut stream, None, &startup)?;
    loop {
        match receive(&mut stream)? {
            // 3: a password in the clear; 0: let in.
            (b'R', body) if body.starts_with(&[0, 0, 0, 3]) => {
                send(&mut stream, Some(b'p'), &[password.as_bytes(), &[0]].concat())?;
            }
            (b'E', body) => return Err(String::from_utf8_lossy(&body).replace('\0', " ")),
            (b'Z', _) => break,
            _ => {}
        }
    }
    send(&mut stream, Some(b'Q'), &[text.as_bytes(), &[0]].concat())?;
    loop {
        match receive(&mut stream)? {
            (b'E', body) => return Err(String::from_utf8_lossy(&body).replace('\0', " ")),
            (b'Z', _) => return Ok(()),
            _ => {}
        }
    }
}

fn send(stream: &mut TcpStream, kind: Option<u8>, body: &[u8]) -> Result<(), String> {
    let mut message: Vec<u8> = kind.into_iter().collect();
    message.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    message.extend_from_slice(body);
    stream.write_all(&message).map_err(|error| error.to_string())
}

/// The next message. QuestDB answers a wrong password by hanging up.
fn receive(stream: &mut TcpStream) -> Result<(u8, Vec<u8>), String> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).map_err(|error| format!("the server hung up: {error}"))?;
    let size = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    let mut body = vec![0; size.saturating_sub(4)];
    stream.read_exact(&mut body).map_err(|error| error.to_string())?;
    Ok((head[0], body))
}
