//! What the oracle must not let pass.

mod alliances;
mod joins;
mod nodes;

use entente_protocol::charter::PartnerName;
use entente_protocol::coalition::{Committed, Conflict, Decision, Deficit, Stage, Standing};
use entente_protocol::feed::{FeedKey, Lane};
use entente_protocol::record::{
    Accept, Acknowledged, AssetAct, Attest, Commit, Contribute, Control, Declare, Handed, HandoffAct,
    MemberAct, Nonce, Offer, Open, Recall, Speak, Statement, Takeover,
};
use entente_protocol::time::Time;

use super::show::{Shown, ShownCommitment};
use super::*;
use crate::sim::members::{Member, found_with_powers, officer, root};
use entente_protocol::authority::{Extent, Word};
use entente_protocol::coalition::KeyRefusal;
use entente_protocol::credential::{
    Capability, Chain, Delegation, Revocation, RootRotation, SignedRotation, Target,
};
use entente_protocol::identity::SecretKey;

/// A log to which records are added as applied, whatever they say.
struct Log {
    affairs: Affairs,
    members: Vec<Member>,
    coalition: entente_protocol::identity::CoalitionId,
    nonce: u8,
    index: u64,
}

impl Log {
    fn new() -> Self {
        let (founded, members) = found_with_powers(4, 0);
        Self {
            affairs: Affairs::new(founded.coalition(), founded.charter()),
            members,
            coalition: founded.coalition(),
            nonce: 0,
            index: 0,
        }
    }

    fn name(&self, of: usize) -> PartnerName {
        self.affairs.charter.partners[of].name.clone()
    }

    fn applied(&mut self, by: usize, act: Act) -> Result<RecordId, String> {
        self.signed(by, &officer(by, 0), act)
    }

    /// The same, by any key.
    fn signed(&mut self, by: usize, key: &SecretKey, act: Act) -> Result<RecordId, String> {
        let entry = self.entry(by, key, act, Disposition::Applied);
        self.leaf(&entry)?;
        Ok(entry.record.expect("a record"))
    }

    /// An entry of which this becomes.
    fn entry(&mut self, by: usize, key: &SecretKey, act: Act, disposition: Disposition) -> EntryLeaf {
        self.nonce += 1;
        let signer = key.public();
        let record = Record { coalition: self.coalition, nonce: Nonce([self.nonce; 16]), signer, act };
        let (id, hash) = (record.id(), Hash([self.nonce; 32]));
        self.affairs.held(hash, &record);
        let node = self.members[by].node.public();
        let feed = FeedKey { node, lane: Lane::Routine, incarnation: 0 };
        EntryLeaf { feed, length: 1, hash, record: Some(id), disposition }
    }

    /// Adds a leaf behind all others.
    fn leaf(&mut self, entry: &EntryLeaf) -> Result<(), String> {
        self.index += 1;
        self.affairs.leaf(self.index, &Leaf::Entry(entry.clone()))
    }

    fn open(&mut self, by: usize) -> RecordId {
        let open =
            Open { kind: "airlift".into(), title: "one".into(), body: BTreeMap::new(), precedence: None };
        self.applied(by, Act::Open(open)).expect("it may")
    }

    fn attest(
        &mut self,
        by: usize,
        operation: RecordId,
        role: Role,
        stance: Stance,
    ) -> Result<RecordId, String> {
        let attest = Attest { operation, role, stance, caveat: None, evidence: vec![], supersedes: None };
        self.applied(by, Act::Attest(attest))
    }

    fn agreed(
        &mut self,
        operation: RecordId,
        counted: &[(RecordId, usize, Role, Stance)],
    ) -> Result<(), String> {
        self.decided(operation, Verdict::Agreed, counted, &[])
    }

    /// In conflict with these.
    fn conflicted(&mut self, operation: RecordId, with: &[usize]) -> Result<(), String> {
        self.decided(operation, Verdict::Conflicted, &[], with)
    }

    fn decided(
        &mut self,
        operation: RecordId,
        verdict: Verdict,
        counted: &[(RecordId, usize, Role, Stance)],
        with: &[usize],
    ) -> Result<(), String> {
        self.changing(operation, verdict, counted, with, None)
    }

    /// The same of one that changes the coalition, or does not any more.
    fn changing(
        &mut self,
        operation: RecordId,
        verdict: Verdict,
        counted: &[(RecordId, usize, Role, Stance)],
        with: &[usize],
        changed: Option<bool>,
    ) -> Result<(), String> {
        let conflicts = with.iter().map(|with| Conflict {
            claim: "one".into(),
            partner: self.name(*with),
            lease: None,
            holder: None,
        });
        let conflicts = conflicts.collect();
        let counted = counted.iter().map(|(record, by, role, stance)| Standing {
            record: *record,
            partner: self.name(*by),
            role: *role,
            stance: *stance,
            caveat: None,
            evidence: vec![],
        });
        let decision = Decision {
            operation,
            kind: "airlift".parse().expect("a name"),
            title: "one".into(),
            verdict,
            limits: None,
            decided_at: Time(0),
            decided_by: None,
            charter_version: 1,
            concerns: None,
            by_new_rule: false,
            stage: Stage::First,
            word: None,
            counted: counted.collect(),
            deficit: Deficit::default(),
            mandates: vec![],
            changed,
            charter: Hash::default(),
            conflicts,
        };
        self.index += 1;
        self.affairs.leaf(self.index, &Leaf::Decision(Box::new(decision)))
    }

    fn refuses(result: Result<impl std::fmt::Debug, String>, words: &str) {
        let why = result.expect_err("it must not pass");
        assert!(why.contains(words), "{words:?} is not in {why:?}");
    }
}

const ENDORSE: Stance = Stance::Endorse;

#[test]
fn an_observer_a_voice_that_was_taken_back_and_too_few_are_not_counted() {
    let mut log = Log::new();
    let operation = log.open(0);
    let lead = log.attest(0, operation, Role::Lead, ENDORSE).expect("it may");
    let one = log.attest(2, operation, Role::Supporting, ENDORSE).expect("it may");
    let observer = log.attest(3, operation, Role::Observing, ENDORSE).expect("it may");
    Log::refuses(log.attest(3, operation, Role::Supporting, ENDORSE), "is not supporting there");
    let (lead, one) = ((lead, 0, Role::Lead, ENDORSE), (one, 2, Role::Supporting, ENDORSE));
    Log::refuses(
        log.agreed(operation, &[lead, one, (observer, 3, Role::Observing, ENDORSE)]),
        "which observes",
    );
    Log::refuses(
        log.agreed(operation, &[lead, one, (observer, 3, Role::Supporting, ENDORSE)]),
        "otherwise than it was said",
    );
    Log::refuses(log.agreed(operation, &[lead, one]), "alone");
    let other = log.attest(1, operation, Role::Supporting, ENDORSE).expect("it may");
    let voices = [lead, one, (other, 1, Role::Supporting, ENDORSE)];
    log.attest(0, operation, Role::Lead, Stance::Object).expect("it may");
    Log::refuses(log.agreed(operation, &voices), "or stands");
    let again = log.attest(0, operation, Role::Lead, ENDORSE).expect("it may");
    let voices = [(again, 0, Role::Lead, ENDORSE), voices[1], voices[2]];
    Log::refuses(log.agreed(operation, &[voices[0], voices[1], voices[1], voices[2]]), "twice");
    log.agreed(operation, &voices).expect("it is");
    Log::refuses(log.attest(2, operation, Role::Supporting, ENDORSE), "decided before");
}

#[test]
fn the_lead_passes_to_whom_it_was_offered_alone_and_a_state_with_another_is_wrong() {
    let mut log = Log::new();
    let operation = log.open(0);
    let (what, to) = (Handed::Role(Role::Lead), log.name(1));
    let offer = HandoffAct::Offer(Offer { operation, what, to, phase: None, note: None, expires: None });
    Log::refuses(log.applied(2, Act::Handoff(offer.clone())), "p00 leads");
    let offer = log.applied(0, Act::Handoff(offer)).expect("it leads");
    let accept =
        || Act::Handoff(HandoffAct::Accept(Accept { offer, acknowledges: Acknowledged::of(vec![]) }));
    Log::refuses(log.applied(2, accept()), "it was offered to p01");
    log.applied(1, accept()).expect("it was");
    Log::refuses(log.applied(1, accept()), "answered before");
    let takeover = || Act::Handoff(HandoffAct::Takeover(Takeover { operation, ground: None }));
    Log::refuses(log.applied(2, takeover()), "is no successor");
    Log::refuses(log.applied(1, takeover()), "nothing to take");
    let shown = |leads: Vec<(RecordId, PartnerName)>| Shown {
        leads,
        assets: vec![],
        moved: vec![offer],
        members: (0..4).map(|of| (log.name(of), Membership::Active)).collect(),
        version: 1,
        commitments: vec![],
        roots: (0..4).map(|of| (log.name(of), Some(root(of, 0).public()))).collect(),
        officers: (0..4).map(|of| (log.name(of), vec![officer(of, 0).public()])).collect(),
        nodes: log.affairs.nodes(),
        documents: vec![],
    };
    log.affairs.compare(&shown(vec![(operation, log.name(1))])).expect("it is so");
    for leads in
        [vec![], vec![(operation, log.name(0))], vec![(operation, log.name(0)), (operation, log.name(1))]]
    {
        Log::refuses(log.affairs.compare(&shown(leads)), "leads");
    }
    let so = || shown(vec![(operation, log.name(1))]);
    Log::refuses(log.affairs.compare(&Shown { roots: vec![], ..so() }), "roots");
    Log::refuses(log.affairs.compare(&Shown { officers: vec![], ..so() }), "officers");
    let gone = Shown { members: vec![], ..so() };
    Log::refuses(log.affairs.compare(&gone), "members");
}

#[test]
fn nobody_moves_anothers_asset_and_who_has_left_says_nothing() {
    let mut log = Log::new();
    let (name, kind) = ("lift-7".parse().expect("a name"), "c-130".parse().expect("a name"));
    let declare = AssetAct::Declare(Declare { name, kind, label: "one".into() });
    let asset = log.applied(2, Act::Asset(declare)).expect("it may");
    let recall = || Act::Asset(AssetAct::Recall(Recall { asset, ground: None }));
    Log::refuses(log.applied(0, recall()), "moves an asset of");
    log.applied(2, recall()).expect("it is its own");
    log.applied(2, Act::Member(MemberAct::Withdraw { ground: "gone".into() })).expect("it may");
    Log::refuses(log.applied(2, recall()), "p02 is withdrawn");
}

impl Log {
    /// What `issuer` gives `subject` in the name of p02.
    fn given(&self, issuer: &SecretKey, subject: &SecretKey) -> Delegation {
        let (name, until) = (self.name(2), Time(u64::MAX));
        let (issuer, subject) = (issuer.public(), subject.public());
        Delegation::direct(self.coalition, issuer, subject, name, Capability::Officer, until)
    }

    fn grant(&self, issuer: &SecretKey, subject: &SecretKey) -> Act {
        Act::Key(KeyAct::Grant(Chain(vec![self.given(issuer, subject).sign(issuer)])))
    }

    fn revoke(&self, issuer: &SecretKey, key: &SecretKey) -> Act {
        let target = Target::Key(key.public());
        let (coalition, partner, issuer_key) = (self.coalition, self.name(2), issuer.public());
        let revocation = Revocation { coalition, partner, issuer: issuer_key, reason: "lost".into(), target };
        Act::Key(KeyAct::Revoke(Box::new(revocation.sign(issuer))))
    }

    fn rotate(&self, number: u32, old: &SecretKey, new: &SecretKey, by: &[&SecretKey]) -> Act {
        let (coalition, partner) = (self.coalition, self.name(2));
        let (old, new) = (old.public(), new.public());
        let mut signed = SignedRotation::new(RootRotation { coalition, partner, number, old, new });
        by.iter().for_each(|key| signed.sign(key));
        Act::Key(KeyAct::Rotate(Box::new(signed)))
    }
}

fn airlift() -> Act {
    Act::Open(Open { kind: "airlift".into(), title: "one".into(), body: BTreeMap::new(), precedence: None })
}

#[test]
fn a_key_speaks_from_its_grant_on_and_until_it_is_taken_back() {
    let mut log = Log::new();
    let (root, first, next) = (root(2, 0), officer(2, 0), officer(2, 1));
    Log::refuses(log.signed(2, &next, airlift()), "no chain of its signer stands");
    for other in [crate::sim::members::root(1, 0), officer(2, 0)] {
        let grant = log.grant(&other, &next);
        Log::refuses(log.applied(0, grant), "not the root of the moment");
    }
    let mut forged = Chain(vec![log.given(&root, &next).sign(&root)]);
    forged.0[0].delegation.depth = 1;
    Log::refuses(log.applied(0, Act::Key(KeyAct::Grant(forged))), "has not signed");
    let grant = log.grant(&root, &next);
    log.applied(0, grant.clone()).expect("whoever brings it");
    Log::refuses(log.applied(0, grant.clone()), "granted already");
    log.signed(2, &next, airlift()).expect("it may");
    // What waits keeps its place.
    let mut waits = log.entry(2, &next, airlift(), Disposition::Parked { awaits: RecordId::default() });
    log.leaf(&waits).expect("it waits");
    let by_another = log.revoke(&crate::sim::members::root(1, 0), &next);
    Log::refuses(log.applied(1, by_another), "cuts nothing");
    let by_itself = log.revoke(&next, &first);
    Log::refuses(log.applied(2, by_itself), "cuts nothing");
    let revoke = log.revoke(&root, &next);
    log.applied(1, revoke.clone()).expect("it stands above");
    Log::refuses(log.applied(1, revoke), "cuts nothing");
    Log::refuses(log.signed(2, &next, airlift()), "no chain of its signer stands");
    Log::refuses(log.applied(1, grant), "taken back");
    waits.disposition = Disposition::Applied;
    log.leaf(&waits).expect("it was said before");
    // Who stands is not refused for that.
    let refused =
        KeyRefusal::Revoked { key: first.public(), partner: log.name(2), index: 1, by: RecordId::default() };
    let entry = log.entry(2, &first, airlift(), Disposition::Refused(refused.into()));
    Log::refuses(log.leaf(&entry), "and it is refused");
}

#[test]
fn what_a_chain_gives_is_within_what_is_above_it() {
    let mut log = Log::new();
    let (root, deputy, next) = (root(2, 0), officer(2, 1), officer(2, 2));
    let kind = |name: &str| Extent::only([name.parse().expect("a name")]);
    let chain = |log: &Log, depth: u8, above: Extent, operations: Extent| {
        let first = Delegation { depth, operations: above, ..log.given(&root, &deputy) };
        let second = Delegation { operations, ..log.given(&deputy, &next) };
        Act::Key(KeyAct::Grant(Chain(vec![first.sign(&root), second.sign(&deputy)])))
    };
    let shallow = chain(&log, 0, Extent::All, Extent::All);
    Log::refuses(log.applied(0, shallow), "more than its issuer has");
    let wide = chain(&log, 1, kind("airlift"), Extent::All);
    Log::refuses(log.applied(0, wide), "more than its issuer has");
    let sound = chain(&log, 1, Extent::All, kind("closure"));
    log.applied(0, sound).expect("it is within");
    Log::refuses(log.signed(2, &next, airlift()), "lets it say that");
    let leave = || Act::Member(MemberAct::Withdraw { ground: "gone".into() });
    Log::refuses(log.signed(2, &next, leave()), "lets it say that");
    // Who was passed on falls with whom it came from.
    let revoke = log.revoke(&root, &deputy);
    log.applied(2, revoke).expect("it stands above");
    let report = IntegrityAct::Report(entente_protocol::record::Report {
        matter: Matter {
            kind: entente_protocol::record::EventKind::Withholding,
            against: None,
            key: None,
            victim: None,
        },
        text: "one".into(),
        evidence: vec![],
        proof: None,
        since: None,
        shown: None,
    });
    Log::refuses(log.signed(2, &next, Act::Integrity(report)), "no chain of its signer stands");
}

#[test]
fn a_root_that_gave_way_grants_nothing_and_takes_nothing_back() {
    let mut log = Log::new();
    let (old, new, third) = (root(2, 0), root(2, 1), root(2, 2));
    let alone = log.rotate(1, &old, &new, &[&new]);
    Log::refuses(log.applied(2, alone), "both roots sign");
    let early = log.rotate(2, &old, &new, &[&old, &new]);
    Log::refuses(log.applied(2, early), "not the next one");
    let taken = log.rotate(1, &old, &root(1, 0), &[&old, &root(1, 0)]);
    Log::refuses(log.applied(2, taken), "a key of somebody already");
    let turn = log.rotate(1, &old, &new, &[&old, &new]);
    log.applied(0, turn).expect("whoever brings it");
    let again = log.rotate(2, &old, &third, &[&old, &third]);
    Log::refuses(log.applied(0, again), "another is the root of the moment");
    let late = log.grant(&old, &officer(2, 1));
    Log::refuses(log.applied(0, late), "not the root of the moment");
    let late = log.revoke(&old, &officer(2, 0));
    Log::refuses(log.applied(0, late), "cuts nothing");
    log.applied(2, airlift()).expect("what was given stays");
    let granted = log.grant(&new, &officer(2, 1));
    log.applied(0, granted).expect("it is the root");
    let revoke = log.revoke(&new, &officer(2, 0));
    log.applied(0, revoke).expect("it stands above what the first one gave");
    Log::refuses(log.applied(2, airlift()), "no chain of its signer stands");
}

fn lift(corridor: &str, from: &str, until: &str) -> Open {
    let values = [("corridor", corridor), ("opens", from), ("closes", until)];
    let body = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Open { kind: "airlift".into(), title: "one".into(), body, precedence: None }
}

impl Log {
    fn alone(&mut self, by: usize, open: Open) -> Result<RecordId, String> {
        self.applied(by, Act::Lease(LeaseAct::Open(LeasedOpen { open, seen: 1 })))
    }

    fn commits(&mut self, by: usize, operation: RecordId) -> Result<RecordId, String> {
        self.applied(by, Act::Lease(LeaseAct::Commit(Commit { operation, seen: 1 })))
    }

    fn committed(&self) -> Vec<ShownCommitment> {
        let all = self.affairs.commitments.iter();
        all.map(|(id, it)| (*id, it.operation, it.partner.clone(), it.end, self.affairs.dispute_of(id)))
            .collect()
    }
}

#[test]
fn what_is_leased_or_held_is_had_by_one_alone() {
    let mut log = Log::new();
    let bravo = || lift("bravo", "06", "08");
    Log::refuses(log.applied(0, Act::Open(bravo())), "it claims what is for");
    let first = log.applied(1, Act::Open(bravo())).expect("it is leased to it");
    Log::refuses(log.applied(1, Act::Open(lift("bravo", "07", "09"))), "it claims what is for");
    log.applied(1, Act::Open(lift("bravo", "08", "09"))).expect("it is free then");
    Log::refuses(
        log.applied(3, Act::Lease(LeaseAct::Open(LeasedOpen { open: bravo(), seen: 1 }))),
        "may not open",
    );
    Log::refuses(log.alone(0, Open { body: BTreeMap::new(), ..bravo() }), "commits nothing");
    Log::refuses(log.commits(0, first), "is not leased to p00");
    log.commits(1, first).expect("it is leased to it");
    Log::refuses(log.commits(1, first), "has committed it before");
    log.applied(0, Act::Open(lift("delta", "06", "08"))).expect("nobody leases it");
    Log::refuses(log.applied(1, Act::Open(lift("delta", "07", "09"))), "it claims what is for");
}

#[test]
fn a_conflict_is_decided_as_one_and_disputed_and_every_commitment_ends_once() {
    let mut log = Log::new();
    let own = log.alone(1, lift("bravo", "06", "08")).expect("it is leased to it");
    let wrong = log.alone(0, lift("bravo", "06", "08")).expect("it has acted on it");
    Log::refuses(log.agreed(wrong, &[]), "had a right to what it claims");
    Log::refuses(log.conflicted(wrong, &[]), "had a right to what it claims");
    Log::refuses(log.conflicted(own, &[1]), "had a right to what it claims");
    log.conflicted(wrong, &[1]).expect("it is");
    let dispute = log.affairs.dispute_of(&wrong).expect("there are judges");
    let lead = log.attest(0, own, Role::Lead, ENDORSE).expect("it may");
    let voices = [1, 2].map(|by| {
        let said = log.attest(by, own, Role::Supporting, ENDORSE).expect("it may");
        (said, by, Role::Supporting, ENDORSE)
    });
    log.agreed(own, &[(lead, 0, Role::Lead, ENDORSE), voices[0], voices[1]]).expect("it is");
    let mut ends = vec![
        (own, own, log.name(1), Some(Committed::Confirmed), None),
        (wrong, wrong, log.name(0), Some(Committed::Conflicted), Some(dispute)),
    ];
    ends.sort();
    assert_eq!(log.committed(), ends);
    let shown = |commitments| Shown {
        leads: vec![(own, log.name(1)), (wrong, log.name(0))],
        assets: vec![],
        moved: vec![],
        members: (0..4).map(|of| (log.name(of), Membership::Active)).collect(),
        version: 1,
        commitments,
        roots: (0..4).map(|of| (log.name(of), Some(root(of, 0).public()))).collect(),
        officers: (0..4).map(|of| (log.name(of), vec![officer(of, 0).public()])).collect(),
        nodes: log.affairs.nodes(),
        documents: vec![],
    };
    let sorted = |mut shown: Shown| {
        shown.leads.sort();
        shown
    };
    log.affairs.compare(&sorted(shown(ends.clone()))).expect("it is so");
    for at in 0..2 {
        for end in [None, Some(Committed::Superseded)] {
            let mut other = ends.clone();
            other[at].3 = end;
            Log::refuses(log.affairs.compare(&sorted(shown(other))), "commitments");
        }
        let mut other = ends.clone();
        other[at].4 = Some(own);
        Log::refuses(log.affairs.compare(&sorted(shown(other))), "commitments");
    }
}

#[test]
fn who_is_no_active_member_judges_no_conflict() {
    let mut log = Log::new();
    let leaves = || Act::Member(MemberAct::Withdraw { ground: "gone".into() });
    log.applied(3, leaves()).expect("it may");
    let judged = log.alone(0, lift("bravo", "06", "08")).expect("it has acted on it");
    assert!(log.affairs.dispute_of(&judged).is_some(), "p02 judges");
    log.applied(2, leaves()).expect("it may");
    let told = log.alone(0, lift("bravo", "10", "12")).expect("it has acted on it");
    assert_eq!(log.affairs.dispute_of(&told), None, "nobody is left to judge");
}

impl Log {
    fn says(
        &mut self,
        by: usize,
        authority: &str,
        word: Word,
        on: RecordId,
        number: u32,
    ) -> Result<RecordId, String> {
        let authority = authority.parse().expect("a name");
        let statement = Statement { operation: on, authority, word, ground: "night".into(), number };
        let speak = Speak { statement, signatures: Default::default() };
        self.applied(by, Act::Authority(AuthorityAct::Speak(speak)))
    }
}

#[test]
fn who_has_no_voice_says_nothing_and_a_nation_takes_home_its_own_alone() {
    let mut log = Log::new();
    let operation = log.open(0);
    let declare = |log: &mut Log, by: usize| {
        let (name, kind) = ("lift-7".parse().expect("a name"), "c-130".parse().expect("a name"));
        let declare = AssetAct::Declare(Declare { name, kind, label: "one".into() });
        let asset = log.applied(by, Act::Asset(declare)).expect("it may");
        let lent = Contribute { asset, operation, caveat: None, control: Control::Owner };
        log.applied(by, Act::Asset(AssetAct::Contribute(lent))).expect("it is its own");
        asset
    };
    let (one, other) = (declare(&mut log, 1), declare(&mut log, 2));
    Log::refuses(log.says(0, "p01", Word::Recall, operation, 1), "has no voice");
    Log::refuses(log.says(1, "command", Word::Order, operation, 1), "needs no authority");
    Log::refuses(log.says(1, "command", Word::Recall, operation, 1), "is no nation");
    Log::refuses(log.says(3, "command", Word::Permit, operation, 1), "has no voice");
    log.says(1, "p01", Word::Recall, operation, 2).expect("its own");
    Log::refuses(log.says(1, "p01", Word::Refuse, operation, 2), "something later");
    assert_eq!(log.affairs.assets[&one].lent, None);
    assert_eq!(log.affairs.assets[&other].lent, Some(operation));
}

#[test]
fn what_needs_an_authority_is_agreed_by_its_word_unless_a_nation_refuses() {
    let mut log = Log::new();
    let open =
        || Open { kind: "closure".into(), title: "one".into(), body: BTreeMap::new(), precedence: None };
    let operation = log.applied(0, Act::Open(open())).expect("it may");
    let lead = log.attest(0, operation, Role::Lead, ENDORSE).expect("it may");
    let voices = [(lead, 0, Role::Lead, ENDORSE)];
    Log::refuses(log.agreed(operation, &voices), "while it is Waits");
    log.says(0, "command", Word::Order, operation, 1).expect("it has a voice");
    Log::refuses(log.agreed(operation, &voices), "while it is Waits");
    log.says(1, "command", Word::Permit, operation, 1).expect("it has a voice");
    Log::refuses(log.agreed(operation, &voices), "while it is Waits");
    log.says(1, "command", Word::Order, operation, 2).expect("it has a voice");
    Log::refuses(log.agreed(operation, &voices), "states no mandate");
    log.says(3, "p03", Word::Refuse, operation, 1).expect("it is its own");
    Log::refuses(log.agreed(operation, &voices), "while it is Refused");
    Log::refuses(log.says(2, "p02", Word::Order, operation, 1), "not the nation's to order");
}
