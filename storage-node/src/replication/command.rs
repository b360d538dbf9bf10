//! The log command: one change as the leader evaluated it, in the bytes that every replica writes.
//!
//! Byte format in `docs/formats.md`, section "Log command". Integers are big-endian, byte strings are prefixed with
//! their length as `u32`. Decoding takes slices of the input and copies no value.

use bytes::{BufMut, Bytes, BytesMut};

use super::ids::{PartitionId, RequestId};
use crate::engine::{KEY_SIZE_BYTES_MAX, Keyspace};
use crate::hlc::Hlc;

/// The newest version that this build reads. A command without appends is written as version 1.
const FORMAT_VERSION: u8 = 2;

/// One change, as it stands in the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogCommand {
    /// The request that asked for it; a second command with the same id takes no effect.
    pub request_id: RequestId,
    /// The partition that is written.
    pub partition: PartitionId,
    /// The version of the partition's range and group at evaluation.
    pub epoch: u64,
    /// The Raft term in which the leader evaluated the command. Applied only if it was logged in the same term.
    pub evaluation_term: u64,
    /// The time of the change.
    pub hlc: Hlc,
    /// The time of the item's previous change, if the item was there.
    pub previous_hlc: Option<Hlc>,
    /// Puts and deletes, in bytes.
    pub writes: Vec<EngineWrite>,
    /// Records to append to logs of the application, see [`Append`].
    pub appends: Vec<Append>,
    /// What happened to the item.
    pub change: ChangeKind,
    /// Who asked.
    pub cause: Cause,
    /// The Region in which the change was first made.
    pub origin_region: String,
    /// The item before and after; empty until a reader of the change log needs them.
    pub images: Images,
    /// The answer to remember for the request, given again when the request is repeated.
    pub outcome: Bytes,
}

/// One put or delete of a command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EngineWrite {
    /// The map that is written.
    pub keyspace: Keyspace,
    /// The key. In the system keyspace it begins with a byte of at least [`SYSTEM_KEY_MIN`].
    pub key: Bytes,
    /// The new value, or `None` to delete.
    pub value: Option<Bytes>,
}

/// A record whose place is known only when its command is applied.
///
/// It is put under `prefix`, followed by the log index of its entry (u64) and its number within the
/// command (u16), both big-endian. So the records under one prefix lie in commit order, which no
/// stamp given out before the log could promise.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Append {
    /// The map that is written.
    pub keyspace: Keyspace,
    /// The beginning of the key; in the system keyspace its first byte is at least [`SYSTEM_KEY_MIN`].
    pub prefix: Bytes,
    /// The record.
    pub value: Bytes,
}

/// Bytes that [`Append::key`] adds to the prefix.
pub const APPEND_SUFFIX_LEN: usize = 10;

/// The most appends of one command: their number within it has two bytes.
pub const APPENDS_MAX: usize = 65_535;

impl Append {
    /// The key under which the record with number `ordinal` of the entry at `log_index` lies.
    #[must_use]
    pub fn key(&self, log_index: u64, ordinal: u16) -> Bytes {
        let mut key = BytesMut::with_capacity(self.prefix.len() + APPEND_SUFFIX_LEN);
        key.put_slice(&self.prefix);
        key.put_u64(log_index);
        key.put_u16(ordinal);
        key.freeze()
    }

    fn is_allowed(&self) -> bool {
        let Some(first) = self.prefix.first() else {
            return false;
        };
        let own = self.keyspace != Keyspace::System || *first >= SYSTEM_KEY_MIN;
        own && self.prefix.len() + APPEND_SUFFIX_LEN <= KEY_SIZE_BYTES_MAX
    }
}

/// The first byte from which keys of the system keyspace belong to the users of replication.
/// Below it are replication's own rows, which no command may touch.
pub const SYSTEM_KEY_MIN: u8 = 0x80;

impl EngineWrite {
    /// Whether a command may hold this write.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        let Some(first) = self.key.first() else {
            return false;
        };
        let own = self.keyspace != Keyspace::System || *first >= SYSTEM_KEY_MIN;
        own && self.key.len() <= KEY_SIZE_BYTES_MAX
    }
}

/// What a command does to its item.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum ChangeKind {
    /// The item is new.
    Insert,
    /// The item was there and differs now.
    Modify,
    /// The item was there and is gone.
    Remove,
    /// Nothing that a reader of the change log may see.
    None,
}

/// Who asked for a change.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Cause {
    /// A request of a client.
    Client,
    /// The expiry of an item.
    Ttl,
    /// Another Region of a global table.
    Replication,
}

/// The item before and after a change, as stored bytes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Images {
    /// Before the change.
    pub old: Option<Bytes>,
    /// After the change.
    pub new: Option<Bytes>,
}

/// Why bytes are not a command.
#[derive(Debug, thiserror::Error, Eq, PartialEq)]
#[non_exhaustive]
pub enum CommandError {
    /// Written by a newer version.
    #[error("log command of format version {0}, this version reads up to {FORMAT_VERSION}")]
    Version(u8),
    /// The bytes end too early or go on too long.
    #[error("log command of a wrong length")]
    Length,
    /// A code or key that no version writes.
    #[error("log command with an unknown code or bad key")]
    Value,
}

impl LogCommand {
    /// The bytes of this command.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let writes: usize = self
            .writes
            .iter()
            .map(|write| 10 + write.key.len() + write.value.as_ref().map_or(0, Bytes::len))
            .sum();
        let mut out =
            BytesMut::with_capacity(128 + self.origin_region.len() + self.outcome.len() + writes);
        // Version 1 has no appends; nodes of that version still understand what needs none.
        out.put_u8(if self.appends.is_empty() { 1 } else { 2 });
        out.put_u128(self.request_id.0);
        out.put_u64(self.partition.0);
        out.put_u64(self.epoch);
        out.put_u64(self.evaluation_term);
        out.put_u64(self.hlc.0);
        // Zero is before every stamp, so it can stand for "none".
        out.put_u64(self.previous_hlc.unwrap_or(Hlc::ZERO).0);
        out.put_u8(match self.change {
            ChangeKind::None => 0,
            ChangeKind::Insert => 1,
            ChangeKind::Modify => 2,
            ChangeKind::Remove => 3,
        });
        out.put_u8(match self.cause {
            Cause::Client => 0,
            Cause::Ttl => 1,
            Cause::Replication => 2,
        });
        put_bytes(&mut out, self.origin_region.as_bytes());
        put_bytes(&mut out, &self.outcome);
        put_option(&mut out, self.images.old.as_ref());
        put_option(&mut out, self.images.new.as_ref());
        out.put_u32(u32::try_from(self.writes.len()).unwrap_or(u32::MAX));
        for write in &self.writes {
            out.put_u8(write.keyspace.code());
            put_bytes(&mut out, &write.key);
            put_option(&mut out, write.value.as_ref());
        }
        if !self.appends.is_empty() {
            out.put_u32(u32::try_from(self.appends.len()).unwrap_or(u32::MAX));
            for append in &self.appends {
                out.put_u8(append.keyspace.code());
                put_bytes(&mut out, &append.prefix);
                put_bytes(&mut out, &append.value);
            }
        }
        out.freeze()
    }

    /// Reads a command.
    ///
    /// # Errors
    /// [`CommandError`] for bytes that [`LogCommand::encode`] of this or an older version did not write.
    pub fn decode(bytes: &Bytes) -> Result<Self, CommandError> {
        let mut reader = Reader {
            rest: bytes.clone(),
        };
        let version = reader.u8()?;
        if version == 0 || version > FORMAT_VERSION {
            return Err(CommandError::Version(version));
        }
        let command = Self {
            request_id: RequestId(reader.u128()?),
            partition: PartitionId(reader.u64()?),
            epoch: reader.u64()?,
            evaluation_term: reader.u64()?,
            hlc: Hlc(reader.u64()?),
            previous_hlc: match reader.u64()? {
                0 => None,
                stamp => Some(Hlc(stamp)),
            },
            change: match reader.u8()? {
                0 => ChangeKind::None,
                1 => ChangeKind::Insert,
                2 => ChangeKind::Modify,
                3 => ChangeKind::Remove,
                _ => return Err(CommandError::Value),
            },
            cause: match reader.u8()? {
                0 => Cause::Client,
                1 => Cause::Ttl,
                2 => Cause::Replication,
                _ => return Err(CommandError::Value),
            },
            origin_region: String::from_utf8(reader.bytes()?.to_vec())
                .map_err(|_| CommandError::Value)?,
            outcome: reader.bytes()?,
            images: Images {
                old: reader.option()?,
                new: reader.option()?,
            },
            writes: reader.writes()?,
            appends: if version >= 2 {
                reader.appends()?
            } else {
                Vec::new()
            },
        };
        if reader.rest.is_empty() {
            Ok(command)
        } else {
            Err(CommandError::Length)
        }
    }
}

fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.put_slice(bytes);
}

fn put_option(out: &mut BytesMut, bytes: Option<&Bytes>) {
    match bytes {
        None => out.put_u8(0),
        Some(bytes) => {
            out.put_u8(1);
            put_bytes(out, bytes);
        }
    }
}

struct Reader {
    rest: Bytes,
}

impl Reader {
    fn take(&mut self, length: usize) -> Result<Bytes, CommandError> {
        if length > self.rest.len() {
            return Err(CommandError::Length);
        }
        Ok(self.rest.split_to(length))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CommandError> {
        self.take(N)?
            .as_ref()
            .try_into()
            .map_err(|_| CommandError::Length)
    }

    fn u8(&mut self) -> Result<u8, CommandError> {
        self.array().map(u8::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, CommandError> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, CommandError> {
        self.array().map(u64::from_be_bytes)
    }

    fn u128(&mut self) -> Result<u128, CommandError> {
        self.array().map(u128::from_be_bytes)
    }

    fn bytes(&mut self) -> Result<Bytes, CommandError> {
        let length = self.u32()?;
        self.take(usize::try_from(length).map_err(|_| CommandError::Length)?)
    }

    fn option(&mut self) -> Result<Option<Bytes>, CommandError> {
        match self.u8()? {
            0 => Ok(None),
            1 => self.bytes().map(Some),
            _ => Err(CommandError::Value),
        }
    }

    fn writes(&mut self) -> Result<Vec<EngineWrite>, CommandError> {
        let count = self.u32()?;
        // The count is not trusted for an allocation: the bytes run out first.
        let mut writes = Vec::new();
        for _ in 0..count {
            let keyspace = Keyspace::from_code(self.u8()?).ok_or(CommandError::Value)?;
            let key = self.bytes()?;
            let value = self.option()?;
            let write = EngineWrite {
                keyspace,
                key,
                value,
            };
            if !write.is_allowed() {
                return Err(CommandError::Value);
            }
            writes.push(write);
        }
        Ok(writes)
    }

    fn appends(&mut self) -> Result<Vec<Append>, CommandError> {
        let count = self.u32()?;
        if usize::try_from(count).map_or(true, |count| count > APPENDS_MAX) {
            return Err(CommandError::Value);
        }
        let mut appends = Vec::new();
        for _ in 0..count {
            let keyspace = Keyspace::from_code(self.u8()?).ok_or(CommandError::Value)?;
            let append = Append {
                keyspace,
                prefix: self.bytes()?,
                value: self.bytes()?,
            };
            if !append.is_allowed() {
                return Err(CommandError::Value);
            }
            appends.push(append);
        }
        Ok(appends)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn bytes() -> impl Strategy<Value = Bytes> {
        vec(any::<u8>(), 0..20).prop_map(Bytes::from)
    }

    fn write() -> impl Strategy<Value = EngineWrite> {
        (any::<bool>(), vec(any::<u8>(), 1..20), option::of(bytes())).prop_map(
            |(items, key, value)| EngineWrite {
                keyspace: if items {
                    Keyspace::Items
                } else {
                    Keyspace::Catalog
                },
                key: key.into(),
                value,
            },
        )
    }

    fn append() -> impl Strategy<Value = Append> {
        (vec(any::<u8>(), 1..20), bytes()).prop_map(|(prefix, value)| Append {
            keyspace: Keyspace::Changes,
            prefix: prefix.into(),
            value,
        })
    }

    prop_compose! {
        fn command()(
            numbers in any::<(u128, u64, u64, u64, u64)>(),
            previous in option::of(1..u64::MAX),
            change in prop::sample::select(vec![
                ChangeKind::None, ChangeKind::Insert, ChangeKind::Modify, ChangeKind::Remove,
            ]),
            cause in prop::sample::select(vec![Cause::Client, Cause::Ttl, Cause::Replication]),
            origin_region in "[a-z0-9-]{0,12}",
            images in (option::of(bytes()), option::of(bytes())),
            outcome in bytes(),
            writes in vec(write(), 0..4),
            appends in vec(append(), 0..4),
        ) -> LogCommand {
            LogCommand {
                request_id: RequestId(numbers.0),
                partition: PartitionId(numbers.1),
                epoch: numbers.2,
                evaluation_term: numbers.3,
                hlc: Hlc(numbers.4),
                previous_hlc: previous.map(Hlc),
                writes,
                appends,
                change,
                cause,
                origin_region,
                images: Images { old: images.0, new: images.1 },
                outcome,
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_command_is_read_as_it_was_written(command in command()) {
            prop_assert_eq!(LogCommand::decode(&command.encode()), Ok(command));
        }

        /// The end of a version 1 command inside a version 2 one is not taken for a whole: the
        /// version byte differs.
        #[test]
        fn a_shortened_command_is_refused(command in command(), cut in any::<prop::sample::Index>()) {
            let whole = command.encode();
            let cut = cut.index(whole.len());
            prop_assert!(LogCommand::decode(&whole.slice(..cut)).is_err());
        }

        /// Invariant 8 for log entries.
        #[test]
        fn arbitrary_bytes_do_not_panic(mut noise in vec(any::<u8>(), 0..200)) {
            drop(LogCommand::decode(&Bytes::from(noise.clone())));
            noise.insert(0, FORMAT_VERSION);
            drop(LogCommand::decode(&Bytes::from(noise)));
        }
    }

    #[test]
    fn a_newer_version_is_refused_by_name() {
        assert_eq!(
            LogCommand::decode(&Bytes::from_static(&[9, 0])),
            Err(CommandError::Version(9))
        );
    }
}
