//! What the oracle must not let pass.

use entente_protocol::charter::PartnerName;
use entente_protocol::coalition::{Decision, Deficit, Stage, Standing};
use entente_protocol::feed::{FeedKey, Lane};
use entente_protocol::record::{
    Accept, Acknowledged, AssetAct, Attest, Declare, Handed, HandoffAct, MemberAct, Nonce, Offer, Open,
    Recall, Takeover,
};
use entente_protocol::time::Time;

use super::show::Shown;
use super::*;
use crate::sim::members::{Member, found_with_course};

/// A log to which records are added as applied, whatever they say.
struct Log {
    affairs: Affairs,
    members: Vec<Member>,
    coalition: entente_protocol::identity::CoalitionId,
    nonce: u8,
}

impl Log {
    fn new() -> Self {
        let (founded, members) = found_with_course(4, 0);
        Self { affairs: Affairs::new(founded.charter()), members, coalition: founded.coalition(), nonce: 0 }
    }

    fn name(&self, of: usize) -> PartnerName {
        self.affairs.charter.partners[of].name.clone()
    }

    fn applied(&mut self, by: usize, act: Act) -> Result<RecordId, String> {
        self.nonce += 1;
        let signer = self.members[by].officer.public();
        let record = Record { coalition: self.coalition, nonce: Nonce([self.nonce; 16]), signer, act };
        let (id, hash) = (record.id(), Hash([self.nonce; 32]));
        self.affairs.held(hash, &record);
        let node = self.members[by].node.public();
        let feed = FeedKey { node, lane: Lane::Routine, incarnation: 0 };
        let disposition = Disposition::Applied;
        let entry = EntryLeaf { feed, length: 1, hash, record: Some(id), disposition };
        self.affairs.leaf(&Leaf::Entry(entry)).map(|()| id)
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
            verdict: Verdict::Agreed,
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
            changed: None,
            charter: Hash::default(),
            conflicts: vec![],
        };
        self.affairs.leaf(&Leaf::Decision(Box::new(decision)))
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
    };
    log.affairs.compare(&shown(vec![(operation, log.name(1))])).expect("it is so");
    for leads in
        [vec![], vec![(operation, log.name(0))], vec![(operation, log.name(0)), (operation, log.name(1))]]
    {
        Log::refuses(log.affairs.compare(&shown(leads)), "leads");
    }
    let gone = Shown { members: vec![], ..shown(vec![(operation, log.name(1))]) };
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
