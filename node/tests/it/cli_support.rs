//! Running the real binary in folders of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use entente_node::api::dto::StatusView;
use entente_node::client::Client;
use entente_node::paths::DataDir;
use entente_protocol::charter::{Card, Charter, DraftSpec, RoleHints, draft};
use entente_protocol::founding::{CharterSignature, CoalitionSecret, FoundedFile, Founding};
use entente_protocol::identity::{CoalitionId, SecretKey};
use entente_protocol::record::Nonce;
use entente_protocol::time::Time;

/// Links must be there within this.
const LIMIT: Duration = Duration::from_secs(90);

/// A command line that is run in an environment of its own.
pub(crate) fn entente(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_entente"));
    command
        .env_clear()
        .env("ENTENTE_DIR", dir)
        .env("HOME", dir)
        .current_dir(dir.ancestors().find(|folder| folder.is_dir()).expect("there is a root folder"));
    command
}

/// What a run said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// Asserts an exit code and words in what was said on standard error, which names the next command.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code, code, "out: {}\nerr: {}", self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in\n{}", self.err);
        }
        for part in ["error: ", "  why:  ", "  next: "] {
            assert!(self.err.contains(part), "{part:?} is not in\n{}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }

    /// Asserts success and returns what was said on standard output.
    #[track_caller]
    pub(crate) fn done(&self) -> &str {
        assert_eq!(self.code, 0, "out: {}\nerr: {}", self.out, self.err);
        &self.out
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs `entente` with `args` on the data folder `dir`.
#[track_caller]
pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(dir: &Path, args: &[S]) -> Said {
    entente(dir).args(args).output().expect("the binary can be run").into()
}

/// Partners' data folders under one temporary folder, with keys and cards.
pub(crate) struct Hosts {
    folder: tempfile::TempDir,
    pub(crate) names: Vec<&'static str>,
}

impl Hosts {
    /// Runs `entente init` for each name.
    pub(crate) fn init(names: &[&'static str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let hosts = Self { folder, names: names.to_vec() };
        for name in names {
            run(&hosts.dir(name), &["init", "--partner", name]).done();
        }
        hosts
    }

    /// A partner's data folder.
    pub(crate) fn dir(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file in the folder above.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn card(&self, name: &str) -> Card {
        let text = std::fs::read_to_string(self.dir(name).join(format!("{name}.card.toml"))).expect("a card");
        Card::from_toml(&text).expect("a sound card")
    }

    pub(crate) fn key(&self, name: &str, kind: &str) -> SecretKey {
        let text = std::fs::read_to_string(self.dir(name).join(format!("keys/{kind}.key"))).expect("a key");
        let table: toml::Table = toml::from_str(&text).expect("a table");
        let seed = table["seed"].as_str().expect("a text").to_ascii_uppercase();
        let bytes = data_encoding::BASE32_NOPAD.decode(seed.as_bytes()).expect("base32");
        SecretKey::from_seed(&bytes.try_into().expect("32 bytes"))
    }

    /// A charter of all partners, with whatever times.
    pub(crate) fn charter(&self, created: Time, until: Time) -> Charter {
        let cards = self.names.iter().map(|name| self.card(name)).collect::<Vec<_>>();
        let spec = DraftSpec {
            name: "corridor".parse().expect("a name"),
            created,
            nonce: Nonce([7; 16]),
            credentials_until: until,
            roles: RoleHints::default(),
        };
        draft("airlift", &cards, &spec).expect("a charter")
    }

    /// A file to join with, signed by the roots of `signers`, private.
    pub(crate) fn founded(&self, charter: &Charter, signers: &[&str], file: &str) -> PathBuf {
        let mut founding = Founding::new(charter.clone());
        for name in signers {
            let signature = CharterSignature::sign(charter, &self.key(name, "root")).expect("signed");
            founding.merge(signature).expect("merged");
        }
        let text = FoundedFile { founding, secret: Some(CoalitionSecret::from_bytes([9; 32])) }.to_toml();
        let path = self.file(file);
        std::fs::write(&path, text.as_bytes()).expect("written");
        set_mode(&path, 0o600);
        path
    }

    /// A coalition of all partners, valid now, that every partner has joined.
    pub(crate) fn join_all(&self) -> PathBuf {
        let now = now();
        self.join_with(&self.charter(now, now.plus(30 * DAY_MS)))
    }

    /// The id of the coalition that all have joined.
    pub(crate) fn coalition(&self) -> CoalitionId {
        let text = std::fs::read_to_string(self.file("corridor.coalition.toml")).expect("joined");
        let file = FoundedFile::from_toml(&text).expect("a founded charter");
        file.founding.verify().expect("all have signed").coalition()
    }

    /// The coalition of `charter`, that every partner has joined.
    pub(crate) fn join_with(&self, charter: &Charter) -> PathBuf {
        let file = self.founded(charter, &self.names, "corridor.coalition.toml");
        for name in &self.names {
            run(&self.dir(name), &["join".as_ref(), file.as_os_str()]).done();
        }
        file
    }
}

pub(crate) const DAY_MS: u64 = 86_400_000;

pub(crate) fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Time(u64::try_from(since.as_millis()).expect("fits"))
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("mode set");
}

pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).expect("there").permissions().mode() & 0o777
}

/// Waits until a quorum can be reached: the links come a moment after the start.
pub(crate) fn until_reached(dir: &Path) {
    let client = Client::new(&DataDir::new(dir.to_owned())).expect("a short path");
    let reached = async {
        let mut events = client.events("/v1/events").await.expect("it runs");
        while client.get::<StatusView>("/v1/status").await.expect("it runs").margin < 0 {
            events.next().await.expect("an event").expect("it runs");
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(LIMIT, reached).await }).expect("in time");
}
