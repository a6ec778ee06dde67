//! Which cluster a data directory belongs to, read from its write-ahead log: etcd itself need not run.

/// The cluster's id from the first bytes of a log file, as hexadecimal digits. `None` where they are not there (yet).
///
/// A log is a row of frames: the length of a record (eight bytes, little endian, the upper byte is padding), then the
/// record as protobuf: its kind (field 1), its checksum (field 2), its data (field 3). The second record's kind is 1,
/// metadata; its data are the member's id (field 1) and the cluster's (field 2). etcd's server/storage/wal/wal.go.
pub fn cluster(hex: &str) -> Option<u64> {
    let bytes: Vec<u8> = (0..hex.len() / 2)
        .map(|place| u8::from_str_radix(hex.get(2 * place..2 * place + 2)?, 16).ok())
        .collect::<Option<_>>()?;
    let mut rest = bytes.as_slice();
    for _ in 0..4 {
        let (head, tail) = rest.split_at_checked(8)?;
        let frame = u64::from_le_bytes(head.try_into().ok()?);
        let length = usize::try_from(frame & 0x00ff_ffff_ffff_ffff).ok()?;
        let padding = if frame >> 63 == 1 { usize::try_from(frame >> 56 & 7).ok()? } else { 0 };
        let record = tail.get(..length)?;
        let fields = fields(record)?;
        if fields.iter().any(|field| matches!(field, (1, Value::Number(1)))) {
            let data = fields.iter().find_map(|field| match field {
                (3, Value::Bytes(data)) => Some(*data),
                _ => None,
            })?;
            return self::fields(data)?.into_iter().find_map(|field| match field {
                (2, Value::Number(id)) => Some(id),
                _ => None,
            });
        }
        rest = tail.get(length + padding..)?;
    }
    None
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a protobuf message that has numbers and bytes only.
fn fields(mut rest: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut rest)?),
            2 => {
                let (bytes, tail) = {
                    let length = usize::try_from(varint(&mut rest)?).ok()?;
                    rest.split_at_checked(length)?
                };
                rest = tail;
                Value::Bytes(bytes)
            }
            _ => return None,
        };
        fields.push((key >> 3, value));
    }
    Some(fields)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
