//! The store: one redb file that implements [`Archive`](entente_protocol::store::Archive) and what the local API reads.
//!
//! Guarantees: the writes of one [`Store::commit`] become durable together and in order, or not at all, before it
//! returns (one transaction, one fsync). A store belongs to one coalition and one node, and says so when it is opened
//! for another. Damage is reported as [`Damage`] with table and key, never guessed around, never a panic:
//!
//! * on opening, redb verifies the checksum of every page;
//! * every value carries a checksum over table, key and value, which is verified on every read, because redb trusts
//!   its pages once it is open;
//! * what must be there and is not (an entry below its feed's head, a leaf below the log's size) is damage;
//! * redb falls back to the last but one commit where the last does not verify, which after a power cut is right and
//!   after a flipped bit would silently take back what others were told. So the number of the last acknowledged
//!   commit stands in a file beside the store ([`counter`]), and a store that has fewer is damaged.
//!
//! Assumes that fsync keeps its word and that SHA-256 is collision resistant; it guards against decay, mix-ups and old
//! copies, not against somebody who may write to the data folder.
//!
//! Once an operation has failed, the store refuses all further commits: what is durable is no longer known.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use entente_protocol::identity::{CoalitionId, PublicKey};
use entente_protocol::store::{Damage, Write};
use redb::{Builder, Database, ReadableDatabase, StorageBackend};
use thiserror::Error;

use self::counter::Counter;
use self::table::{Failure, META, Tables, guarded};

pub mod counter;
mod read;
mod table;
mod write;

pub use self::read::{MAX_ROWS, Place, StoredLeaf};
pub use self::write::{Mark, body_id};

/// Version of the tables; a store of another one is refused.
pub const FORMAT_VERSION: u32 = 2;
/// Memory that redb uses for pages, in bytes.
pub const CACHE_BYTES: usize = 32 << 20;
/// Largest row that is decoded as a whole, in bytes: an entry.
const MAX_ROW_BYTES: usize = 32 * 1024;
/// Largest value under a name given by the node (peer book, listen port), in bytes.
pub const MAX_META_BYTES: usize = 4 << 20;

/// Whose store it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The coalition.
    pub coalition: CoalitionId,
    /// The node.
    pub node: PublicKey,
}

/// Why a store cannot be opened or written.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The store is damaged.
    #[error("the store {} is damaged: {damage}", path.display())]
    Damage {
        /// The file.
        path: PathBuf,
        /// What, and where.
        damage: Damage,
    },
    /// The store is another's.
    #[error("the store {} belongs to {what} {found}, not to {expected}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// `coalition` or `node`.
        what: &'static str,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// The store was written by another version of the program.
    #[error("the store {} has format {found}; this program reads format {FORMAT_VERSION}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Another process has it open.
    #[error("the store {} is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// No room is left.
    #[error("disk full: the store {} cannot grow", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("the store {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An earlier commit failed; nothing more is written.
    #[error("the store {} is closed for writing after an earlier failure", path.display())]
    Closed {
        /// The file.
        path: PathBuf,
    },
}

impl StoreError {
    /// Whether the store holds something wrong, rather than that it cannot be used now.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damage { .. })
    }

    /// What to do about it.
    pub fn next(&self) -> String {
        match self {
            Self::Damage { path, .. } => format!(
                "keep {} for analysis, put a backup of it in its place, then: entente restore; the other partners have lost nothing",
                path.display()
            ),
            Self::Foreign { .. } => "use another --dir for another coalition or node".into(),
            Self::Format { .. } => "use the version of the program that wrote it".into(),
            Self::InUse { .. } => "stop the other process: entente stop".into(),
            Self::DiskFull { path } => {
                format!(
                    "make room on the disk of {} and start again; nothing acknowledged is lost",
                    path.display()
                )
            }
            Self::Io { path, .. } | Self::Closed { path } => format!("check the disk of {}", path.display()),
        }
    }
}

/// The store of one node in one coalition.
pub struct Store {
    /// There until the store is dropped.
    database: Option<Database>,
    path: PathBuf,
    identity: Identity,
    writer: Mutex<Writer>,
}

/// What only who commits touches.
struct Writer {
    /// Absent for stores that are not files.
    counter: Option<Counter>,
    commits: u64,
    /// A commit failed.
    closed: bool,
}

impl Store {
    /// Opens the store at `path`, or makes one. Reads the whole file once, to verify every page.
    pub fn open(path: &Path, identity: &Identity) -> Result<Self, StoreError> {
        Self::open_as(path, identity, false)
    }

    /// Opens a store that may have fewer commits than were acknowledged, for a restore: its next commit is the one
    /// that counts from then on.
    pub fn open_copy(path: &Path, identity: &Identity) -> Result<Self, StoreError> {
        Self::open_as(path, identity, true)
    }

    fn open_as(path: &Path, identity: &Identity, is_copy: bool) -> Result<Self, StoreError> {
        let fail = |failure| from_failure(path, failure);
        let counter = Counter::open(path).map_err(fail)?;
        let exists = match std::fs::metadata(path) {
            Ok(found) => found.len() > 0,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(error) => return Err(fail(error.into())),
        };
        if !exists && counter.acknowledged() > 0 {
            let why = format!("it is gone, and {} commits were acknowledged", counter.acknowledged());
            return Err(fail(Failure::damage("store", why)));
        }
        if !exists {
            // Made here, because redb would make it readable for everyone.
            let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
            file.map_err(|error| fail(error.into()))?;
        }
        let database = guarded("store", || Ok(builder().create(path)?)).map_err(fail)?;
        Self::with(database, path, Some(counter), identity, is_copy)
    }

    /// Opens a store on a backend of redb's, without a counter file.
    pub fn on_backend(backend: impl StorageBackend, identity: &Identity) -> Result<Self, StoreError> {
        let path = Path::new("(backend)");
        let database = guarded("store", || Ok(builder().create_with_backend(backend)?))
            .map_err(|failure| from_failure(path, failure))?;
        Self::with(database, path, None, identity, false)
    }

    fn with(
        database: Database,
        path: &Path,
        counter: Option<Counter>,
        identity: &Identity,
        is_copy: bool,
    ) -> Result<Self, StoreError> {
        let acknowledged = counter.as_ref().map_or(0, Counter::acknowledged);
        let writer = Mutex::new(Writer { counter, commits: 0, closed: false });
        let store = Self { database: Some(database), path: path.to_owned(), identity: *identity, writer };
        let number = |name| store.meta_number(name).map_err(|damage| store.damaged(damage));
        match number(meta::FORMAT)? {
            None if acknowledged == 0 => {
                store.begin()?;
                return Ok(store);
            }
            None => {
                let why = format!("it is empty, and {acknowledged} commits were acknowledged");
                return Err(store.fail(Failure::damage("store", why)));
            }
            Some(found) if found != u64::from(FORMAT_VERSION) => {
                let found = u32::try_from(found).unwrap_or(u32::MAX);
                return Err(StoreError::Format { path: store.path.clone(), found });
            }
            Some(_) => {}
        }
        let text = |name| match store.meta(name) {
            Ok(value) => Ok(String::from_utf8_lossy(&value.unwrap_or_default()).into_owned()),
            Err(damage) => Err(store.damaged(damage)),
        };
        for (what, name, expected) in [
            ("coalition", meta::COALITION, identity.coalition.to_string()),
            ("node", meta::NODE, identity.node.to_string()),
        ] {
            let found = text(name)?;
            if found != expected {
                return Err(StoreError::Foreign { path: store.path.clone(), what, found, expected });
            }
        }
        let commits = number(meta::COMMITS)?.unwrap_or_default();
        if commits < acknowledged && !is_copy {
            let why = format!("its last commit is {commits}, and {acknowledged} were acknowledged");
            return Err(store.fail(Failure::damage("store", why)));
        }
        store.writer().commits = commits;
        Ok(store)
    }

    /// The first commit: whose store it is.
    fn begin(&self) -> Result<(), StoreError> {
        let identity = &self.identity;
        self.transaction(|tables| {
            tables.put_meta(meta::FORMAT, &u64::from(FORMAT_VERSION).to_be_bytes())?;
            tables.put_meta(meta::COALITION, identity.coalition.to_string().as_bytes())?;
            tables.put_meta(meta::NODE, identity.node.to_string().as_bytes())
        })
    }

    /// Makes `writes` durable, together and in order, and `marks` with them. After an error nothing of them may be
    /// acted on.
    pub fn commit(&self, writes: &[Write], marks: &[Mark]) -> Result<(), StoreError> {
        self.transaction(|tables| {
            writes.iter().try_for_each(|write| tables.apply(write))?;
            marks.iter().try_for_each(|mark| tables.mark(mark))
        })
    }

    /// Makes a value of the node's own durable under a name: peer book, listen port. At most [`MAX_META_BYTES`].
    pub fn set_meta(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        let name = format!("{}{name}", meta::OWN);
        self.transaction(|tables| tables.put_meta(&name, value))
    }

    /// A value that [`Store::set_meta`] has set.
    pub fn get_meta(&self, name: &str) -> Result<Option<Vec<u8>>, Damage> {
        self.meta(&format!("{}{name}", meta::OWN))
    }

    /// The store's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many commits this store has.
    pub fn commits(&self) -> u64 {
        self.writer().commits
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // Nothing in the lock's reach panics between two changes that belong together.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn transaction(
        &self,
        work: impl FnOnce(&mut Tables<'_>) -> Result<(), Failure>,
    ) -> Result<(), StoreError> {
        let mut writer = self.writer();
        if writer.closed {
            return Err(StoreError::Closed { path: self.path.clone() });
        }
        let commits = writer.commits + 1;
        let done = guarded("commit", || {
            let transaction = self.database()?.begin_write()?;
            {
                let mut tables = Tables::open(&transaction)?;
                work(&mut tables)?;
                tables.put_meta(meta::COMMITS, &commits.to_be_bytes())?;
            }
            // Durability::Immediate, the default: one fsync before this returns.
            Ok(transaction.commit()?)
        });
        let done = done.and_then(|()| match &mut writer.counter {
            Some(counter) => counter.acknowledge(commits),
            None => Ok(()),
        });
        match done {
            Ok(()) => {
                writer.commits = commits;
                Ok(())
            }
            Err(failure) => {
                writer.closed = true;
                Err(self.fail(failure))
            }
        }
    }

    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, Damage> {
        self.value(META, name.as_bytes())
    }

    fn meta_number(&self, name: &str) -> Result<Option<u64>, Damage> {
        let number = |value: Vec<u8>| match value.try_into() {
            Ok(bytes) => Ok(u64::from_be_bytes(bytes)),
            Err(_) => Err(META.damage(name.as_bytes(), "not a number of 8 bytes")),
        };
        self.meta(name)?.map(number).transpose()
    }

    fn fail(&self, failure: Failure) -> StoreError {
        from_failure(&self.path, failure)
    }

    fn damaged(&self, damage: Damage) -> StoreError {
        StoreError::Damage { path: self.path.clone(), damage }
    }

    fn database(&self) -> Result<&Database, Failure> {
        self.database.as_ref().ok_or_else(|| Failure::damage("store", "it is closed"))
    }

    fn snapshot(&self) -> Result<redb::ReadTransaction, Failure> {
        Ok(self.database()?.begin_read()?)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // redb writes once more on closing, and may find damage; what was acknowledged is durable already.
        let database = self.database.take();
        let closed = guarded("store", || {
            drop(database);
            Ok(())
        });
        if let Err(failure) = closed {
            tracing::error!(error = %self.fail(failure), "the store did not close cleanly");
        }
    }
}

/// Names in the meta table.
mod meta {
    pub(super) const FORMAT: &str = "format";
    pub(super) const COALITION: &str = "coalition";
    pub(super) const NODE: &str = "node";
    pub(super) const COMMITS: &str = "commits";
    pub(super) const CERTIFIED: &str = "certified";
    pub(super) const EXTENT: &str = "extent";
    /// The last proof that an epoch is certified by a later one's checkpoint.
    pub(super) const PROOF: &str = "proof";
    /// Of which epoch the copy of the state is.
    pub(super) const COPY: &str = "copy";
    /// The last copy that was taken from others: what lies at or below it may be missing.
    pub(super) const FLOOR: &str = "floor";
    /// Which incarnation the node is in.
    pub(super) const LIVES: &str = "lives";
    /// What the names of the node's own values begin with.
    pub(super) const OWN: &str = "own/";
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

fn from_failure(path: &Path, failure: Failure) -> StoreError {
    use std::io::ErrorKind;
    let path = path.to_owned();
    match failure {
        Failure::Damage(damage) => StoreError::Damage { path, damage },
        Failure::InUse => StoreError::InUse { path },
        Failure::Io(source) => match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                StoreError::DiskFull { path }
            }
            _ => StoreError::Io { path, source },
        },
    }
}
