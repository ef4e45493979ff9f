//! Nodes that are granted: whose they are, from where on they carry, and where their feeds stand.

use super::*;
use crate::sim::members::{granted_hosts, host, newcomer, newcomers_entry};

impl Log {
    /// A node that `issuer` gives p02.
    fn node(&self, issuer: &SecretKey, node: &SecretKey) -> Act {
        let capabilities = [Capability::Node].into();
        let link = Delegation { capabilities, ..self.given(issuer, node) }.sign(issuer);
        Act::Key(KeyAct::Grant(Chain(vec![link])))
    }

    /// Something that p02 says at a node, of which this becomes.
    fn carried(&mut self, node: &SecretKey, disposition: Disposition) -> Result<(), String> {
        let mut entry = self.entry(2, &officer(2, 0), airlift(), disposition);
        entry.feed.node = node.public();
        self.leaf(&entry)
    }
}

#[test]
fn a_node_carries_from_its_grant_on_until_it_is_taken_back_and_its_feeds_stand_in_that_order() {
    let mut log = Log::new();
    let root = root(2, 0);
    let nodes = granted_hosts(2).map(host).collect::<Vec<_>>();
    let [one, other, _] = nodes.as_slice() else { panic!("three") };
    let first = log.affairs.nodes();
    Log::refuses(log.carried(one, Disposition::Applied), "does not stand");
    for node in [other, one] {
        let grant = log.node(&root, node);
        log.applied(0, grant).expect("whoever brings it");
    }
    let granted = vec![other.public(), one.public()];
    assert_eq!(log.affairs.nodes(), [first.clone(), granted].concat());
    log.carried(one, Disposition::Applied).expect("it may");
    let unknown = || Disposition::Refused(Refusal::UnknownNode { node: one.public() });
    Log::refuses(log.carried(one, unknown()), "and the node that carries it stands");
    let revoke = log.revoke(&root, other);
    log.applied(1, revoke).expect("its root may");
    assert_eq!(log.affairs.nodes(), [first, vec![one.public()]].concat());
    Log::refuses(log.carried(other, Disposition::Applied), "does not stand");
    let revoked =
        KeyRefusal::Revoked { key: other.public(), partner: log.name(2), index: 1, by: RecordId::default() };
    log.carried(other, Disposition::Refused(revoked.into())).expect("it was taken back");
}

#[test]
fn a_node_is_no_officer_and_nobody_elses_and_what_joined_stands_before_it() {
    let mut log = Log::new();
    let root = root(2, 0);
    let nodes = granted_hosts(2).map(host).collect::<Vec<_>>();
    let by_another = log.node(&crate::sim::members::root(1, 0), &nodes[0]);
    Log::refuses(log.applied(0, by_another), "not the root of the moment");
    let officers = log.node(&root, &officer(2, 0));
    Log::refuses(log.applied(0, officers), "the key is something else");
    let others = log.node(&root, &log.members[1].node);
    Log::refuses(log.applied(0, others), "it is another's key");
    let grant = log.node(&root, &nodes[0]);
    log.applied(0, grant).expect("it is free");
    Log::refuses(log.signed(2, &nodes[0], airlift()), "no chain of its signer stands");
    let officer = log.grant(&root, &nodes[0]);
    Log::refuses(log.applied(0, officer), "the key is something else");
    let amendment = joins::joining(&log, 0);
    let proposal = log.applied(0, joins::proposing(&amendment)).expect("it is sound");
    log.admits(proposal, true).expect("it is made");
    let all = log.affairs.nodes();
    assert_eq!(all[4..], [newcomers_entry(0).nodes[0], nodes[0].public()]);
    let (leads, assets) = (vec![(proposal, log.name(0))], vec![]);
    assert_eq!(host(newcomer(0)).public(), all[4]);
    let mut shown = Shown {
        leads,
        assets,
        moved: vec![],
        members: (0..4).map(|of| (log.name(of), Membership::Active)).collect(),
        version: 1,
        commitments: vec![],
        roots: (0..4).map(|of| (log.name(of), Some(crate::sim::members::root(of, 0).public()))).collect(),
        officers: (0..4)
            .map(|of| (log.name(of), vec![crate::sim::members::officer(of, 0).public()]))
            .collect(),
        nodes: all,
        documents: vec![],
    };
    let (name, of) = (newcomers_entry(0).name, newcomer(0));
    shown.members.push((name.clone(), Membership::Active));
    shown.roots.push((name.clone(), Some(crate::sim::members::root(of, 0).public())));
    shown.officers.push((name, vec![crate::sim::members::officer(of, 0).public()]));
    log.affairs.compare(&shown).expect("it is so");
    let mut other = shown.clone();
    other.nodes.swap(4, 5);
    Log::refuses(log.affairs.compare(&other), "nodes");
    shown.members.pop();
    Log::refuses(log.affairs.compare(&shown), "members");
}
