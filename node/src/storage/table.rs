//! Tables, keys, and the checksum on every value.
//!
//! A stored value is the value and then the first eight bytes of SHA-256 over table, key and value: a bit that flips
//! in either, or a value under another's key, shows on reading.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use entente_protocol::feed::{FeedKey, Lane};
use entente_protocol::identity::{PublicKey, RecordId, hash};
use entente_protocol::store::Damage;
use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

const CHECKSUM_BYTES: usize = 8;
const CHECKSUM_DOMAIN: &str = "entente/store/v1";

/// Why an operation on the store failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Something in the store is wrong.
    Damage(Damage),
    /// Another process has it open.
    InUse,
    /// The operating system refused.
    Io(std::io::Error),
}

impl Failure {
    pub(super) fn damage(what: &str, why: impl Into<String>) -> Self {
        Self::Damage(Damage { what: what.into(), why: why.into() })
    }

    /// For readers, who have but one error: a store that cannot be read is as good as damaged.
    pub(super) fn into_damage(self, what: &str) -> Damage {
        match self {
            Self::Damage(damage) => damage,
            Self::InUse => Damage { what: what.into(), why: "in use by another process".into() },
            Self::Io(error) => Damage { what: what.into(), why: format!("cannot be read: {error}") },
        }
    }
}

impl From<Damage> for Failure {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<redb::Error> for Failure {
    fn from(error: redb::Error) -> Self {
        match error {
            // redb says of a file that is none of its own, or too short, that its data are invalid.
            redb::Error::Io(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
                ) =>
            {
                Self::damage("file", error.to_string())
            }
            redb::Error::Io(error) => Self::Io(error),
            redb::Error::DatabaseAlreadyOpen => Self::InUse,
            other => Self::damage("file", other.to_string()),
        }
    }
}

macro_rules! from_redb {
    ($($error:ident),*) => {$(
        impl From<redb::$error> for Failure {
            fn from(error: redb::$error) -> Self {
                redb::Error::from(error).into()
            }
        }
    )*};
}
from_redb!(DatabaseError, TransactionError, TableError, StorageError, CommitError);

/// Runs `work` on the database. redb returns errors for damaged pages; where an assertion of its own fails on them
/// all the same, that is damage too and ends here.
pub(super) fn guarded<T>(what: &str, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(Failure::damage(what, said(panic.as_ref()))))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("the database is inconsistent: {}", text.unwrap_or_else(|| "unknown".into()))
}

/// A table of bytes under bytes, sorted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind(pub(super) &'static str);

impl Kind {
    pub(super) fn definition(self) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
        TableDefinition::new(self.0)
    }

    /// Damage of the value under a key.
    pub(super) fn damage(self, key: &[u8], why: impl Into<String>) -> Damage {
        Damage { what: format!("{} at {}", self.0, show_key(self, key)), why: why.into() }
    }

    fn checksum(self, key: &[u8], value: &[u8]) -> [u8; CHECKSUM_BYTES] {
        let length = (key.len() as u64).to_be_bytes();
        let sum = hash(CHECKSUM_DOMAIN, &[self.0.as_bytes(), &[0], &length, key, value]);
        *sum.as_bytes().first_chunk().expect("a hash has 32 bytes")
    }

    /// The value as it is stored.
    pub(super) fn seal(self, key: &[u8], value: &[u8]) -> Vec<u8> {
        let mut stored = Vec::with_capacity(value.len() + CHECKSUM_BYTES);
        stored.extend_from_slice(value);
        stored.extend_from_slice(&self.checksum(key, value));
        stored
    }

    /// The value of what is stored.
    pub(super) fn unseal<'a>(self, key: &[u8], stored: &'a [u8]) -> Result<&'a [u8], Damage> {
        stored
            .split_last_chunk::<CHECKSUM_BYTES>()
            .filter(|(value, sum)| self.checksum(key, value) == **sum)
            .map(|(value, _)| value)
            .ok_or_else(|| self.damage(key, "the checksum does not hold"))
    }
}

/// Text under names: whose store it is, and the node's own values.
pub(super) const META: Kind = Kind("meta/v1");
/// Feed: its head.
pub(super) const FEED: Kind = Kind("feed/v1");
/// Feed, length: hash, signature, body.
pub(super) const ENTRY: Kind = Kind("entry/v1");
/// Epoch, seat, seq: a vote frame.
pub(super) const FRAME: Kind = Kind("frame/v1");
/// Epoch, seat: how many frames.
pub(super) const FRAMES: Kind = Kind("frames/v1");
/// Epoch, digest: a contribution.
pub(super) const PAYLOAD: Kind = Kind("payload/v1");
/// Epoch: what it ordered, without contributions and leaves.
pub(super) const BATCH: Kind = Kind("batch/v1");
/// Epoch, position: seat and contribution.
pub(super) const AGREED: Kind = Kind("agreed/v1");
/// Index: epoch and leaf.
pub(super) const LEAF: Kind = Kind("leaf/v1");
/// Level, index: hash of a Merkle node.
pub(super) const NODE: Kind = Kind("node/v1");
/// Epoch: a certificate.
pub(super) const CERTIFICATE: Kind = Kind("certificate/v1");
/// Feed, length: proof of a fork, as it was found.
pub(super) const FORK: Kind = Kind("fork/v2");
/// Epoch, seat, seq: proof of an equivocation.
pub(super) const EQUIVOCATION: Kind = Kind("equivocation/v1");
/// Key of an item of the copy of the state: its bytes.
pub(super) const STATE: Kind = Kind("state/v1");
/// Record id, feed, length: nothing; where a record is held.
pub(super) const PLACE: Kind = Kind("place/v1");
/// Record id: index of the leaf of the first entry with that record.
pub(super) const ORDERED: Kind = Kind("ordered/v1");
/// Operation: index of its decision's leaf.
pub(super) const DECISION: Kind = Kind("decision/v1");

/// All tables.
pub(super) const ALL: [Kind; 17] = [
    META,
    FEED,
    ENTRY,
    FRAME,
    FRAMES,
    PAYLOAD,
    BATCH,
    AGREED,
    LEAF,
    NODE,
    CERTIFICATE,
    FORK,
    EQUIVOCATION,
    STATE,
    PLACE,
    ORDERED,
    DECISION,
];

/// A key for people: the meta table's are text, all others bytes.
fn show_key(kind: Kind, key: &[u8]) -> String {
    if kind.0 == META.0 {
        return String::from_utf8_lossy(key).into_owned();
    }
    data_encoding::HEXLOWER.encode(key)
}

/// A key of parts of fixed size, in big-endian order, so that rows of one prefix lie together in order.
#[derive(Default, Clone)]
pub(super) struct Key(Vec<u8>);

impl Key {
    pub(super) fn u64(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }
    pub(super) fn u32(mut self, number: u32) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }
    pub(super) fn u16(mut self, number: u16) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }
    pub(super) fn u8(mut self, number: u8) -> Self {
        self.0.push(number);
        self
    }
    pub(super) fn bytes(mut self, bytes: &[u8; 32]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
    pub(super) fn feed(self, feed: &FeedKey) -> Self {
        let lane = Lane::ALL.iter().position(|lane| *lane == feed.lane).unwrap_or_default();
        self.bytes(feed.node.as_ed25519()).u8(lane as u8).u32(feed.incarnation)
    }
    pub(super) fn record(self, id: &RecordId) -> Self {
        self.bytes(id.as_bytes())
    }
}

impl std::ops::Deref for Key {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Bytes of a feed in a key.
pub(super) const FEED_KEY_BYTES: usize = 32 + 1 + 4;

/// The feed at the beginning of a key, and the rest.
pub(super) fn split_feed(key: &[u8]) -> Option<(FeedKey, &[u8])> {
    let (node, rest) = key.split_first_chunk::<32>()?;
    let (lane, rest) = rest.split_first()?;
    let (incarnation, rest) = rest.split_first_chunk::<4>()?;
    let feed = FeedKey {
        node: PublicKey::from_ed25519(*node).ok()?,
        lane: *Lane::ALL.get(usize::from(*lane))?,
        incarnation: u32::from_be_bytes(*incarnation),
    };
    Some((feed, rest))
}

/// The number that is left of a key.
pub(super) fn number(rest: &[u8]) -> Option<u64> {
    rest.try_into().ok().map(u64::from_be_bytes)
}

/// One table in a write transaction.
pub(super) struct Open<'t> {
    kind: Kind,
    table: Table<'t, &'static [u8], &'static [u8]>,
}

impl<'t> Open<'t> {
    fn new(kind: Kind, transaction: &'t WriteTransaction) -> Result<Self, Failure> {
        Ok(Self { kind, table: transaction.open_table(kind.definition())? })
    }

    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        self.table.insert(key, self.kind.seal(key, value).as_slice())?;
        Ok(())
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        match self.table.get(key)? {
            Some(stored) => Ok(Some(self.kind.unseal(key, stored.value())?.to_vec())),
            None => Ok(None),
        }
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> Result<(), Failure> {
        self.table.remove(key)?;
        Ok(())
    }

    /// Removes all rows whose keys are less than `end`.
    pub(super) fn remove_below(&mut self, end: &[u8]) -> Result<(), Failure> {
        self.table.retain_in::<&[u8], _>(..end, |_, _| false)?;
        Ok(())
    }

    pub(super) fn damage(&self, key: &[u8], why: impl Into<String>) -> Failure {
        self.kind.damage(key, why).into()
    }
}

/// All tables in a write transaction.
pub(super) struct Tables<'t> {
    pub(super) meta: Open<'t>,
    pub(super) feed: Open<'t>,
    pub(super) entry: Open<'t>,
    pub(super) frame: Open<'t>,
    pub(super) frames: Open<'t>,
    pub(super) payload: Open<'t>,
    pub(super) batch: Open<'t>,
    pub(super) agreed: Open<'t>,
    pub(super) leaf: Open<'t>,
    pub(super) node: Open<'t>,
    pub(super) certificate: Open<'t>,
    pub(super) fork: Open<'t>,
    pub(super) equivocation: Open<'t>,
    pub(super) state: Open<'t>,
    pub(super) place: Open<'t>,
    pub(super) ordered: Open<'t>,
    pub(super) decision: Open<'t>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, Failure> {
        let open = |kind| Open::new(kind, transaction);
        Ok(Self {
            meta: open(META)?,
            feed: open(FEED)?,
            entry: open(ENTRY)?,
            frame: open(FRAME)?,
            frames: open(FRAMES)?,
            payload: open(PAYLOAD)?,
            batch: open(BATCH)?,
            agreed: open(AGREED)?,
            leaf: open(LEAF)?,
            node: open(NODE)?,
            certificate: open(CERTIFICATE)?,
            fork: open(FORK)?,
            equivocation: open(EQUIVOCATION)?,
            state: open(STATE)?,
            place: open(PLACE)?,
            ordered: open(ORDERED)?,
            decision: open(DECISION)?,
        })
    }

    pub(super) fn put_meta(&mut self, name: &str, value: &[u8]) -> Result<(), Failure> {
        if value.len() > super::MAX_META_BYTES {
            let why = format!("{} bytes are too many for a value of the node's own", value.len());
            return Err(self.meta.damage(name.as_bytes(), why));
        }
        self.meta.put(name.as_bytes(), value)
    }
}
