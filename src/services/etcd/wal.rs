//! Whose data a write-ahead log holds: every file of it begins with the ids of the cluster and of the member.
//!
//! A file is a row of frames: eight bytes, little endian, of which seven are the length and the eighth tells the padding;
//! then a record in protocol buffers: its type (1), its checksum (2), its data (3). The first record is a checksum (type
//! 4), the second the metadata (type 1): the ids of the member (1) and of the cluster (2). Source: etcd 3.5,
//! `server/wal/encoder.go`, `server/wal/walpb`, `server/etcdserver/etcdserverpb`.

use crate::facts::service::DataIds;

const METADATA: u64 = 1;

/// Reads the head of a file as `od -An -v -tx1` prints it; `None` where it is no write-ahead log.
pub(super) fn ids(dump: &str) -> Option<DataIds> {
    let bytes: Vec<u8> =
        dump.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).ok()).collect::<Option<_>>()?;
    let mut rest = bytes.as_slice();
    loop {
        let (frame, after) = rest.split_first_chunk::<8>()?;
        let mut length = *frame;
        let padding = if length[7] & 0x80 == 0 { 0 } else { usize::from(length[7] & 7) };
        length[7] = 0;
        let length = usize::try_from(u64::from_le_bytes(length)).ok()?;
        let record = fields(after.get(..length)?)?;
        rest = after.get(length.checked_add(padding)?..)?;
        if record.number(1) == Some(METADATA) {
            let metadata = fields(record.bytes(3)?)?;
            let id = |number| metadata.number(number).map(|id| format!("{id:x}"));
            return Some(DataIds { member_id: id(1)?, cluster_id: id(2)? });
        }
    }
}

/// The fields of a message, by number.
struct Fields<'a>(Vec<(u64, Field<'a>)>);

#[derive(Clone, Copy)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Fields<'a> {
    fn find(&self, number: u64) -> Option<Field<'a>> {
        self.0.iter().find(|(name, _)| *name == number).map(|(_, field)| *field)
    }

    fn number(&self, number: u64) -> Option<u64> {
        match self.find(number)? {
            Field::Number(value) => Some(value),
            Field::Bytes(_) => None,
        }
    }

    fn bytes(&self, number: u64) -> Option<&'a [u8]> {
        match self.find(number)? {
            Field::Bytes(bytes) => Some(bytes),
            Field::Number(_) => None,
        }
    }
}

fn fields(mut bytes: &[u8]) -> Option<Fields<'_>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)?),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Field::Bytes(value)
            }
            _ => return None,
        };
        all.push((key >> 3, field));
    }
    Some(Fields(all))
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The head of the first file of a member of etcd 3.5.6.
    const HEAD: &str = " 04 00 00 00 00 00 00 84 08 04 10 00 00 00 00 00
 1f 00 00 00 00 00 00 81 08 01 10 cd 95 de 9e 0c
 1a 15 08 ef 94 8b eb c7 c0 91 c8 cb 01 10 c9 dc
 ce c0 8b ae f2 87 1a 00 0e 00 00 00 00 00 00 82
 08 05 10 d7 fa ed ab 04 1a 04 08 00 10 00 00 00
 73 00 00 00 00 00 00 85 08 02 10 e6 e2 8b 8a 0c";

    #[test]
    fn the_ids_stand_at_the_head() {
        let ids = ids(HEAD).unwrap();
        assert_eq!(
            (ids.member_id.as_str(), ids.cluster_id.as_str()),
            ("cb9046047d62ca6f", "1a0fc970b813ae49")
        );
    }

    #[test]
    fn what_is_cut_off_or_something_else_tells_nothing() {
        let whole: Vec<&str> = HEAD.split_whitespace().collect();
        for length in 0..56 {
            assert!(ids(&whole[..length].join(" ")).is_none(), "{length}");
        }
        for other in ["", "no such file", "ff ff ff ff ff ff ff ff 00", "00 00 00 00 00 00 00 00"] {
            assert!(ids(other).is_none(), "{other}");
        }
        assert!(ids(&"ff ".repeat(128)).is_none());
    }
}
