//! The networks that a scenario plays on: one for each coalition. Nodes of the first have plain names, those of another its name
//! and a point before theirs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use entente_node::api::dto::StatusView;
use entente_node::client::Client;

use super::Founding;
use crate::network::{Error, Network, Said};

/// The coalition and the plain name that a node's name says; no coalition is the first.
pub(super) fn parts(node: &str) -> (Option<&str>, &str) {
    node.split_once('.').map_or((None, node), |(coalition, plain)| (Some(coalition), plain))
}

/// A node's name as steps write it.
pub(super) fn named(coalition: Option<&str>, plain: &str) -> String {
    coalition.map_or_else(|| plain.to_owned(), |coalition| format!("{coalition}.{plain}"))
}

/// All networks of a scenario. The others stand in folders of the first, which finds and cleans them, and end before it.
pub(crate) struct Stage {
    others: BTreeMap<String, Network>,
    first: Network,
}

impl Stage {
    /// Begins with the first coalition.
    pub(super) fn new(first: Network) -> Self {
        Self { others: BTreeMap::new(), first }
    }

    /// Drafts another coalition; a partner with the name of one of the first has its root.
    pub(super) async fn draft(&mut self, name: &str, founding: &Founding, tied: bool) -> Result<(), Error> {
        let partners = founding.partners.len();
        let shared = self.first.partners().iter();
        let roots = shared.map(|partner| (partner.clone(), self.first.root_file(partner))).collect();
        let dir = self.first.nest(name)?;
        let roles = founding.roles(partners)?;
        let shape = |draft: &str| founding.shape(draft);
        let drafted = Network::draft_under(&dir, founding.template(), name, &roles, roots, tied, shape);
        self.others.insert(name.to_owned(), drafted.await?);
        Ok(())
    }

    /// The network of a coalition.
    pub(crate) fn network(&self, coalition: Option<&str>) -> Result<&Network, Error> {
        let Some(name) = coalition else { return Ok(&self.first) };
        self.others.get(name).ok_or_else(|| no_coalition(name))
    }

    fn network_mut(&mut self, coalition: Option<&str>) -> Result<&mut Network, Error> {
        let Some(name) = coalition else { return Ok(&mut self.first) };
        self.others.get_mut(name).ok_or_else(|| no_coalition(name))
    }

    /// The network in which a node is, and what it is called there.
    fn of<'a>(&self, node: &'a str) -> Result<(&Network, &'a str), Error> {
        let (coalition, plain) = parts(node);
        Ok((self.network(coalition)?, plain))
    }

    fn of_mut<'a>(&mut self, node: &'a str) -> Result<(&mut Network, &'a str), Error> {
        let (coalition, plain) = parts(node);
        Ok((self.network_mut(coalition)?, plain))
    }

    /// All coalitions, the first one first.
    pub(super) fn coalitions(&self) -> impl Iterator<Item = (Option<&str>, &Network)> {
        let others = self.others.iter().map(|(name, network)| (Some(name.as_str()), network));
        std::iter::once((None, &self.first)).chain(others)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Network> {
        std::iter::once(&mut self.first).chain(self.others.values_mut())
    }

    /// Every root signs, and every partner joins, in each coalition.
    pub(super) async fn seal(&mut self) -> Result<(), Error> {
        for network in self.all_mut() {
            network.seal().await?;
        }
        Ok(())
    }

    /// From now on all networks run without this process.
    pub(crate) fn leave(self) -> Result<(), Error> {
        self.others.into_values().try_for_each(Network::leave)?;
        self.first.leave()
    }

    /// Something failed: everything is stopped, and its files stay.
    pub(crate) fn keep_files(&mut self) {
        self.all_mut().for_each(Network::keep_files);
    }

    /// Stops everything and removes all files.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        self.others.clear();
        self.first.stop_all();
        self.first.remove()
    }

    pub(super) fn scratch(&self) -> Result<PathBuf, Error> {
        self.first.scratch()
    }

    pub(super) fn data_dir(&self, node: &str) -> Result<PathBuf, Error> {
        self.of(node).map(|(network, plain)| network.data_dir(plain))
    }

    pub(super) fn keys(&self, node: &str) -> Result<Vec<(&'static str, String)>, Error> {
        let (network, plain) = self.of(node)?;
        network.keys(plain)
    }

    pub(super) fn client(&self, node: &str) -> Result<Client, Error> {
        let (network, plain) = self.of(node)?;
        network.client(plain)
    }

    pub(super) async fn entente(&self, node: &str, arguments: &[&str]) -> Result<String, Error> {
        let (network, plain) = self.of(node)?;
        network.entente(plain, arguments).await
    }

    pub(super) async fn said(&self, node: &str, arguments: &[impl AsRef<str>]) -> Result<Said, Error> {
        let (network, plain) = self.of(node)?;
        network.said(plain, arguments).await
    }

    pub(super) async fn until_status(
        &self,
        node: &str,
        what: &str,
        done: impl Fn(&StatusView) -> bool,
    ) -> Result<StatusView, Error> {
        let (network, plain) = self.of(node)?;
        network.until_status(plain, what, done).await
    }

    pub(super) async fn start(&mut self, node: &str) -> Result<(), Error> {
        let (network, plain) = self.of_mut(node)?;
        network.start(plain).await
    }

    /// Starts a node again; whether it is a partner's first, and then it is in the mesh again.
    pub(super) async fn restart(&mut self, node: &str) -> Result<bool, Error> {
        let (network, plain) = self.of_mut(node)?;
        network.start(plain).await?;
        let is_first = network.partners().iter().any(|partner| partner == plain);
        if is_first {
            network.until_back(plain).await?;
        }
        Ok(is_first)
    }

    pub(super) fn kill(&mut self, node: &str) -> Result<(), Error> {
        let (network, plain) = self.of_mut(node)?;
        network.kill(plain)
    }

    pub(super) fn copy(&mut self, of: &str, named: &str) -> Result<(), Error> {
        let (network, plain) = self.of_mut(of)?;
        network.copy(plain, parts(named).1)
    }

    pub(super) async fn host(&mut self, of: Option<&str>, named: &str) -> Result<(), Error> {
        let (network, plain) = self.of_mut(named)?;
        match of {
            Some(of) => network.host(parts(of).1, plain).await,
            None => network.newcomer(plain).await,
        }
    }

    pub(super) async fn cut(&mut self, a: &str, b: &str) -> Result<bool, Error> {
        let (network, a) = self.of_mut(a)?;
        network.cut(a, parts(b).1).await
    }

    pub(super) async fn heal(&mut self, a: &str, b: &str) -> Result<(), Error> {
        let (network, a) = self.of_mut(a)?;
        network.heal(a, parts(b).1).await
    }

    pub(super) async fn heal_all(&mut self) -> Result<(), Error> {
        for network in self.all_mut() {
            network.heal_all().await?;
        }
        Ok(())
    }

    /// All groups are of one coalition.
    pub(super) async fn split(&mut self, groups: &[Vec<String>]) -> Result<(), Error> {
        let coalition = groups.iter().flatten().next().and_then(|node| parts(node).0);
        let plain = |group: &Vec<String>| group.iter().map(|node| parts(node).1.to_owned()).collect();
        let plain = groups.iter().map(plain).collect::<Vec<Vec<_>>>();
        self.network_mut(coalition)?.split(&plain).await
    }

    /// The nodes of a coalition that run and are there once.
    pub(super) fn honest(&self, coalition: Option<&str>) -> Result<Vec<String>, Error> {
        let honest = self.network(coalition)?.honest();
        Ok(honest.iter().map(|plain| named(coalition, plain)).collect())
    }

    /// The partners of a node's coalition whose node runs.
    pub(super) fn running_with(&self, node: &str) -> Result<Vec<String>, Error> {
        let coalition = parts(node).0;
        let network = self.network(coalition)?;
        let running = network.partners().iter().filter(|partner| network.process(partner).is_some());
        Ok(running.map(|plain| named(coalition, plain)).collect())
    }

    /// The network in which one node dials another, and what they are called there.
    pub(super) fn pair<'a>(&self, a: &'a str, b: &'a str) -> Result<(&Network, &'a str, &'a str), Error> {
        let (network, a) = self.of(a)?;
        Ok((network, a, parts(b).1))
    }

    /// Everything of a coalition that steps may refer to before it is founded.
    pub(super) fn draft_file(&self, coalition: Option<&str>) -> Result<PathBuf, Error> {
        self.network(coalition).map(Network::draft_file)
    }
}

fn no_coalition(name: &str) -> Error {
    Error::failed(format!("no coalition {name:?} is declared"), "declare it in the scenario: [[coalition]]")
}

/// Where a scenario's network is to be: an earlier one there is cleaned; says whether there was one.
pub(super) fn prepare(dir: &Path) -> Result<bool, Error> {
    Network::prepare(dir)
}
