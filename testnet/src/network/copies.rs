//! Copies of a partner's data folder, which make one identity two; further hosts of a partner, with keys of their own; networks of
//! other coalitions; and what else a scenario needs of the files.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Error, Network, SCRATCH};

impl Network {
    /// Whether this names a copy of a partner's node.
    pub(crate) fn is_copy(&self, node: &str) -> bool {
        self.state.copies.contains_key(node)
    }

    /// The partner whose node this is.
    pub(super) fn owner_of<'a>(&'a self, node: &'a str) -> &'a str {
        self.state.copies.get(node).or_else(|| self.state.hosts.get(node)).map_or(node, String::as_str)
    }

    /// Whether there is a copy of this node, or it is one.
    pub(super) fn is_double(&self, node: &str) -> bool {
        self.is_copy(node) || self.state.copies.values().any(|of| of == node)
    }

    /// Partners and further hosts whose node runs and has no copy.
    pub(crate) fn honest(&self) -> Vec<String> {
        let nodes = self.state.partners.iter().chain(self.state.hosts.keys());
        nodes.filter(|partner| self.process(partner).is_some() && !self.is_double(partner)).cloned().collect()
    }

    /// Copies the data folder of a partner whose node is down, without the root's key, which lies elsewhere once it has signed.
    pub(crate) fn copy(&mut self, of: &str, named: &str) -> Result<(), Error> {
        self.known(of)?;
        if self.process(of).is_some() {
            return Err(Error::State { name: of.to_owned(), word: "running", next: "kill" });
        }
        self.state.copies.insert(named.to_owned(), of.to_owned());
        self.save()?;
        let (from, to) = (self.data_dir(of), self.data_dir(named));
        copy_folder(&from, &to).map_err(|error| Error::io(format!("copy {}", from.display()), error))
    }

    /// Makes a further host of a partner: new keys in a data folder of its own, but for the seat's, since a partner has one seat.
    pub(crate) async fn host(&mut self, of: &str, named: &str) -> Result<(), Error> {
        self.known(of)?;
        self.state.hosts.insert(named.to_owned(), of.to_owned());
        self.save()?;
        let root = self.root_file(of).display().to_string();
        self.entente(named, &["init", "--partner", of, "--root", &root]).await?;
        let seat = self.data_dir(named).join("keys/seat.key");
        fs::remove_file(&seat).map_err(|error| Error::io(format!("remove {}", seat.display()), error))
    }

    /// Makes the host of somebody who is no partner yet, with all its keys.
    pub(crate) async fn newcomer(&mut self, named: &str) -> Result<(), Error> {
        self.state.hosts.insert(named.to_owned(), named.to_owned());
        self.save()?;
        self.entente(named, &["init", "--partner", named]).await.map(drop)
    }

    /// The folder for the network of another coalition, which ends and is cleaned with this one.
    pub(crate) fn nest(&mut self, name: &str) -> Result<PathBuf, Error> {
        self.state.nested.push(name.to_owned());
        self.save()?;
        Ok(self.dir.join(name))
    }

    /// The networks of other coalitions that are there.
    pub(super) fn nested(&self) -> impl Iterator<Item = Network> {
        self.state.nested.iter().filter_map(|name| Network::open(&self.dir.join(name)).ok())
    }

    /// The folder for files of the scenario's commands.
    pub(crate) fn scratch(&self) -> Result<PathBuf, Error> {
        let folder = self.dir.join(SCRATCH);
        fs::create_dir_all(&folder)
            .map_err(|error| Error::io(format!("make {}", folder.display()), error))?;
        std::path::absolute(folder).map_err(|error| Error::io("find the folder", error))
    }

    /// The public keys on a partner's card, by what they are for.
    pub(crate) fn keys(&self, partner: &str) -> Result<Vec<(&'static str, String)>, Error> {
        let owner = self.owner_of(partner);
        let path = self.data_dir(partner).join(format!("{owner}.card.toml"));
        let text = fs::read_to_string(&path).map_err(|error| Error::io("read a card", error))?;
        let card: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            Error::failed(format!("{}: {error}", path.display()), "report it")
        })?;
        let one = |value: &toml::Value| {
            let first = value.as_array().and_then(|keys| keys.first()).unwrap_or(value);
            first.as_str().map(str::to_owned)
        };
        let named = [("root", "root"), ("seat", "seat"), ("officer", "officers"), ("node", "nodes")];
        let keys = named.into_iter().filter_map(|(what, field)| {
            let inner = card.get(field).or_else(|| card.values().find_map(|table| table.get(field)));
            Some((what, one(inner?)?))
        });
        Ok(keys.collect())
    }
}

/// Plain files and folders with their modes; sockets are left out, and a root's key.
fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_folder(&entry.path(), &to.join(entry.file_name()))?;
        } else if kind.is_file() && entry.file_name() != "root.key" {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
