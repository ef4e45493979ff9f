//! Who joins, by whose word, and from where on it speaks.

use entente_protocol::charter::{Amendment, AmendmentError};
use entente_protocol::coalition::{MemberRefusal, Purpose};
use entente_protocol::founding::{Accession, Proposed};

use super::*;
use crate::sim::members::{newcomer, newcomers_entry};

/// An amendment that admits one partner, who may support airlifts.
pub(super) fn joining(log: &Log, nth: usize) -> Amendment {
    let before = log.affairs.last();
    let mut wanted = before.clone();
    wanted.admitted.push(newcomers_entry(nth));
    let lifts = wanted.operations.iter_mut().filter(|kind| kind.name.as_str() == "airlift");
    lifts.for_each(|kind| kind.supporting.push(newcomers_entry(nth).name));
    wanted.sort();
    let proposed =
        Proposed { coalition: log.coalition, charter: before.next_version(&wanted).expect("it can be") };
    let accession = Accession::sign(&proposed, &root(newcomer(nth), 0)).expect("it is admitted");
    before.amendment_with(&wanted, vec![accession]).expect("it has signed")
}

pub(super) fn proposing(amendment: &Amendment) -> Act {
    let change = Change::Amend(Box::new(amendment.clone()));
    Act::Member(MemberAct::Propose(Propose {
        kind: "amendment".parse().expect("a name"),
        change,
        reason: "two more lifts".into(),
    }))
}

impl Log {
    /// Three say yes, and this is stated of what it changed.
    pub(super) fn admits(&mut self, proposal: RecordId, changed: bool) -> Result<(), String> {
        let voices = [0, 1, 2].map(|by| {
            let said = self.attest(by, proposal, Role::Supporting, ENDORSE).expect("it may");
            (said, by, Role::Supporting, ENDORSE)
        });
        self.changing(proposal, Verdict::Agreed, &voices, &[], Some(changed))
    }

    fn by_newcomer(&mut self, nth: usize, act: Act) -> Result<RecordId, String> {
        self.signed(0, &officer(newcomer(nth), 0), act)
    }
}

#[test]
fn who_joins_speaks_from_the_decision_on_and_has_roles_from_the_next_batch_on() {
    let mut log = Log::new();
    let early = log.open(0);
    Log::refuses(log.by_newcomer(0, airlift()), "no chain of its signer stands");
    let amendment = joining(&log, 0);
    let proposal = log.applied(1, proposing(&amendment)).expect("it may");
    Log::refuses(log.by_newcomer(0, airlift()), "no chain of its signer stands");
    let nodes = log.affairs.nodes();
    log.admits(proposal, true).expect("it is made");
    let host = newcomers_entry(0).nodes;
    assert_eq!(log.affairs.nodes(), [nodes, host].concat());
    // No role in this batch, but a voice of its own.
    Log::refuses(log.by_newcomer(0, airlift()), "may not open airlift");
    let (name, kind) = ("lift-7".parse().expect("a name"), "c-130".parse().expect("a name"));
    let declare = AssetAct::Declare(Declare { name, kind, label: "one".into() });
    log.by_newcomer(0, Act::Asset(declare)).expect("it is a partner");
    let refusal = Refusal::UnknownSigner { signer: officer(newcomer(0), 0).public() };
    let leave = Act::Member(MemberAct::Withdraw { ground: "gone".into() });
    let entry = log.entry(0, &officer(newcomer(0), 0), leave.clone(), Disposition::Refused(refusal));
    Log::refuses(log.leaf(&entry), "and it is refused");
    log.affairs.begin(2, Time(1));
    log.by_newcomer(0, airlift()).expect("it may");
    let word = |operation| {
        Act::Attest(Attest {
            operation,
            role: Role::Supporting,
            stance: ENDORSE,
            caveat: None,
            evidence: vec![],
            supersedes: None,
        })
    };
    let late = log.open(0);
    Log::refuses(log.by_newcomer(0, word(early)), "is not supporting there");
    log.by_newcomer(0, word(late)).expect("it may");
    log.by_newcomer(0, leave).expect("it may");
    Log::refuses(log.by_newcomer(0, airlift()), "q00 is withdrawn");
    let host = newcomers_entry(0).nodes[0];
    let name = newcomers_entry(0).name;
    assert_eq!(log.affairs.gone(&host), Some((name, Membership::Withdrawn)));
}

#[test]
fn nobody_joins_by_a_word_that_is_not_its_own_on_just_this() {
    let mut log = Log::new();
    let sound = joining(&log, 0);
    let other = joining(&log, 1);
    let mut damaged = |damage: &dyn Fn(&mut Amendment), words: &str| {
        let mut amendment = sound.clone();
        damage(&mut amendment);
        Log::refuses(log.applied(0, proposing(&amendment)), words);
        // Whoever refuses it is right.
        let error = AmendmentError::Accession { error: "no".into() };
        let refused = Disposition::Refused(MemberRefusal::Amendment(error).into());
        let entry = log.entry(0, &officer(0, 0), proposing(&amendment), refused);
        log.leaf(&entry).expect("it is damaged");
    };
    damaged(&|it| it.admit[0].signature = other.admit[0].signature, "has not signed");
    damaged(&|it| it.admit[0].version = other.result, "has signed something else");
    damaged(&|it| drop(it.admit[0].delegations.pop()), "has not delegated what it states");
    damaged(&|it| it.admit[0].delegations.swap(0, 2), "has not delegated what it states");
    damaged(&|it| it.result = other.result, "does not make what it states");
    damaged(&|it| it.previous = other.result, "amends another version");
    damaged(&|it| it.version = 3, "another version than the next");
    damaged(&|it| it.admit[0].partner.officers = vec![officer(2, 0).public()], "a key of somebody");
    // And whoever refuses what is sound is not.
    let error = AmendmentError::Accession { error: "no".into() };
    let entry = log.entry(
        0,
        &officer(0, 0),
        proposing(&sound),
        Disposition::Refused(MemberRefusal::Amendment(error).into()),
    );
    Log::refuses(log.leaf(&entry), "and it is refused");
    let (key, partner) = (officer(newcomer(0), 0).public(), log.name(2));
    let taken = KeyRefusal::Taken { key, partner, purpose: Purpose::Officer };
    let entry = log.entry(0, &officer(0, 0), proposing(&sound), Disposition::Refused(taken.into()));
    Log::refuses(log.leaf(&entry), "and it is refused");
    log.applied(0, proposing(&sound)).expect("it is sound");
}

#[test]
fn of_two_amendments_the_first_is_made_and_nobody_joins_with_a_key_that_was_granted() {
    let mut log = Log::new();
    let (one, other) = (joining(&log, 0), joining(&log, 1));
    let one = log.applied(0, proposing(&one)).expect("it is sound");
    let other = log.applied(0, proposing(&other)).expect("it is sound");
    log.admits(one, true).expect("it is the first");
    Log::refuses(log.admits(other, true), "of an amendment, and made is false");
    Log::refuses(log.by_newcomer(1, airlift()), "no chain of its signer stands");
    log.affairs.begin(2, Time(1));
    let next = joining(&log, 1);
    let next = log.applied(0, proposing(&next)).expect("it is sound");
    let grant = log.grant(&root(2, 0), &officer(newcomer(1), 0));
    log.applied(2, grant).expect("it is free");
    Log::refuses(log.admits(next, true), "made is false");
    let mut log = Log::new();
    let sound = joining(&log, 0);
    let proposal = log.applied(0, proposing(&sound)).expect("it is sound");
    Log::refuses(log.admits(proposal, false), "made is true");
}
