//! Files of the user's, read no further than they can mean something: a name may lead to a device, a pipe or a disk image.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// What `path` holds; an error where that is more than `most` bytes.
pub fn read(path: &Path, most: usize) -> Result<Vec<u8>> {
    bounded(File::open(path)?, most)
}

/// All that comes from `from`; an error where that is more than `most` bytes.
pub fn bounded(from: impl Read, most: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("it holds more than {most} bytes")));
    }
    Ok(bytes)
}

/// Bytes as text; the error says where they are none.
pub fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        let line = before.split('\n').count();
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Error::new(ErrorKind::InvalidData, format!("line {line}, column {column}: this is not UTF-8 text"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_read_no_further() {
        assert_eq!(
            read(Path::new("/dev/zero"), 1000).unwrap_err().to_string(),
            "it holds more than 1000 bytes"
        );
        assert_eq!(bounded(b"12".as_slice(), 2).unwrap(), b"12");
    }

    #[test]
    fn bytes_that_are_no_text_are_told_with_their_place() {
        let error = text(b"a: \xc3\xa4\nb: \xc3\xa4\xff".to_vec()).unwrap_err();
        assert_eq!(error.to_string(), "line 2, column 5: this is not UTF-8 text");
    }
}
