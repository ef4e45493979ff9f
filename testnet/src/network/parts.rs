//! Links that are cut, networks that fall apart, and how they come together again.

use entente_node::api::dto::StatusView;

use super::{Error, Network};

impl Network {
    /// Whether the link between two nodes is cut.
    pub(crate) fn is_cut(&self, a: &str, b: &str) -> bool {
        self.state.cut.iter().any(|[x, y]| (x == a && y == b) || (x == b && y == a))
    }

    /// The links that are cut.
    pub(crate) fn cuts(&self) -> &[[String; 2]] {
        &self.state.cut
    }

    /// Cuts the link between two partners, until it is healed: also over restarts. Waits until both ends that run have
    /// lost it, and reach each other through a third partner if there is one.
    pub(crate) async fn cut(&mut self, a: &str, b: &str) -> Result<bool, Error> {
        self.known(a)?;
        self.known(b)?;
        if a == b {
            let others: Vec<&str> =
                self.state.partners.iter().map(String::as_str).filter(|other| *other != a).collect();
            return Err(Error::input(
                format!("{a} has no link with itself; other partners: {}", others.join(", ")),
                format!("entente-testnet cut {a} {}", others.first().unwrap_or(&"PARTNER")),
            ));
        }
        self.block(a, b).await?;
        let both_run = self.process(a).is_some() && self.process(b).is_some();
        let is_between = |third: &&String| {
            let third = third.as_str();
            third != a && third != b && !self.is_cut(third, a) && !self.is_cut(third, b)
        };
        let around =
            both_run && self.partners().iter().filter(is_between).any(|third| self.process(third).is_some());
        for (end, other) in [(a, b), (b, a)].into_iter().filter(|(end, _)| self.process(end).is_some()) {
            let gone = |status: &StatusView| {
                let seat = status.seats.iter().find(|seat| seat.partner == other);
                seat.is_some_and(|seat| !seat.connected && (seat.reachable || !around))
            };
            self.until_status(end, &format!("has lost its link with {other}"), gone).await?;
        }
        Ok(around)
    }

    /// Cuts all links between nodes of different groups, and no others. Waits until all that run have lost them.
    pub(crate) async fn split(&mut self, groups: &[Vec<String>]) -> Result<(), Error> {
        let mut pairs = Vec::new();
        for (i, group) in groups.iter().enumerate() {
            for other in &groups[i + 1..] {
                pairs.extend(group.iter().flat_map(|a| other.iter().map(move |b| (a.clone(), b.clone()))));
            }
        }
        for (a, b) in &pairs {
            self.known(a)?;
            self.known(b)?;
            self.block(a, b).await?;
        }
        let both_ways = pairs.iter().flat_map(|(a, b)| [(a, b), (b, a)]);
        for (end, other) in
            both_ways.filter(|(end, other)| self.process(end).is_some() && self.blocks(end, other))
        {
            let owner = self.owner_of(other).to_owned();
            let gone = |status: &StatusView| {
                status.seats.iter().any(|seat| seat.partner == owner && !seat.connected)
            };
            self.until_status(end, &format!("has lost its link with {other}"), gone).await?;
        }
        Ok(())
    }

    /// Notes that a link is cut, and has the ends that run refuse it.
    async fn block(&mut self, a: &str, b: &str) -> Result<(), Error> {
        if !self.is_cut(a, b) {
            self.state.cut.push([a.to_owned(), b.to_owned()]);
            self.save()?;
        }
        for (end, other) in [(a, b), (b, a)] {
            if self.process(end).is_some() && self.blocks(end, other) {
                self.entente(end, &["peer", "block", self.owner_of(other)]).await?;
            }
        }
        Ok(())
    }

    /// What a node that starts must refuse.
    pub(super) async fn block_again(&self, node: &str) -> Result<(), Error> {
        let further = self.state.copies.keys().chain(self.state.hosts.keys());
        let others = self.state.partners.iter().chain(further);
        for other in others.filter(|other| self.is_cut(node, other) && self.blocks(node, other)) {
            self.entente(node, &["peer", "block", self.owner_of(other)]).await?;
        }
        Ok(())
    }

    /// Whether `end` is the one to refuse the link with `other`: who is there twice under one key does so itself, since others
    /// could only refuse both.
    fn blocks(&self, end: &str, other: &str) -> bool {
        self.owner_of(end) != self.owner_of(other) && (self.is_double(end) || !self.is_double(other))
    }

    /// Brings a cut link back, and waits until it is there, if both ends run.
    pub(crate) async fn heal(&mut self, a: &str, b: &str) -> Result<(), Error> {
        self.known(a)?;
        self.known(b)?;
        self.unblock(a, b).await?;
        self.until_meshed().await
    }

    /// Brings all cut links back, and waits until they are there.
    pub(crate) async fn heal_all(&mut self) -> Result<(), Error> {
        for [a, b] in self.state.cut.clone() {
            self.unblock(&a, &b).await?;
        }
        self.until_meshed().await
    }

    async fn unblock(&mut self, a: &str, b: &str) -> Result<(), Error> {
        for (end, other) in [(a, b), (b, a)] {
            if self.process(end).is_some() && self.blocks(end, other) {
                let said = self.said(end, &["peer", "unblock", self.owner_of(other)]).await?;
                // A node that is there twice may end once it learns of the other.
                if said.code != Some(0) && !self.is_double(end) {
                    let what = format!("{end} does not unblock {other}: {}", said.err.trim());
                    return Err(Error::failed(what, format!("entente-testnet logs {end}")));
                }
            }
        }
        self.state.cut.retain(|[x, y]| !((x == a && y == b) || (x == b && y == a)));
        self.save()
    }

    /// Waits until every running partner is linked with every other one, but for links that are cut and for nodes that are
    /// there twice.
    pub(crate) async fn until_meshed(&self) -> Result<(), Error> {
        let running: Vec<&String> = self
            .state
            .partners
            .iter()
            .filter(|partner| self.process(partner).is_some() && !self.is_double(partner))
            .collect();
        for partner in &running {
            let linked = |status: &StatusView| {
                status.seats.iter().all(|seat| {
                    self.is_cut(partner, &seat.partner) || seat.connected || !running.contains(&&seat.partner)
                })
            };
            self.until_status(partner, "is linked with all others", linked).await?;
        }
        Ok(())
    }
}
