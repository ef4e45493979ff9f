//! The partners of a simulated coalition: keys from fixed seeds, and the founding that all of them signed.

use std::sync::Arc;

use entente_protocol::authority::{
    AllianceDocument, AllianceReference, Authority, AuthorityKind, Expression, Follow, KindPrecedence, Scope,
    SignedAlliance,
};
use entente_protocol::charter::{
    AuthorityName, Card, Charter, Dependants, DisputeRule, DraftSpec, IfShort, Lease, OnExpiry, Partner,
    PartnerName, RoleHints, TakeoverRule, Terms, draft,
};
use entente_protocol::founding::{CharterSignature, Founded, Founding};
use entente_protocol::identity::SecretKey;
use entente_protocol::record::Nonce;
use entente_protocol::time::Time;

/// When every history begins.
pub(crate) const START: Time = Time(1_800_000_000_000);

/// When what roots delegate at the founding ends.
const UNTIL: Time = Time(START.0 + 1_000 * 86_400_000);

/// One node of a partner. The first nodes hold the seats, in seat order; further ones only author and relay.
pub(crate) struct Member {
    /// Whose officer speaks through it.
    pub(crate) officer: SecretKey,
    pub(crate) node: SecretKey,
    /// The seat that it votes with.
    pub(crate) seat: Option<SecretKey>,
}

impl Member {
    /// The member of that index in a coalition of `seats`.
    pub(crate) fn of(i: usize, seats: usize) -> Self {
        Self { officer: key(2, i % seats), node: key(4, i), seat: (i < seats).then(|| key(3, i)) }
    }
}

/// Keys of one purpose that a partner may come to have.
const KEYS_OF_ONE: usize = 1_000;

/// The root that a partner has after so many rotations.
pub(crate) fn root(partner: usize, nth: usize) -> SecretKey {
    key(1, partner + KEYS_OF_ONE * nth)
}

/// An officer of a partner: the first is that of the founding.
pub(crate) fn officer(partner: usize, nth: usize) -> SecretKey {
    key(2, partner + KEYS_OF_ONE * nth)
}

/// How many partners may join, named q00, q01, ...
pub(crate) const NEWCOMERS: usize = 4;
/// The number under which the first of them makes its keys.
const FIRST_NEWCOMER: usize = 100;

/// Who may join: the number under which it makes its keys.
pub(crate) fn newcomer(nth: usize) -> usize {
    FIRST_NEWCOMER + nth
}

/// A node that is no process, by its number: of who joins that under which it makes its keys.
pub(crate) fn host(number: usize) -> SecretKey {
    key(4, number)
}

/// How many nodes whoever makes its keys under one number is granted at most, one after the other.
const GRANTED_OF_ONE: usize = 3;

/// The numbers of the nodes that it is granted.
pub(crate) fn granted_hosts(of: usize) -> impl Iterator<Item = usize> {
    (0..GRANTED_OF_ONE).map(move |nth| KEYS_OF_ONE + GRANTED_OF_ONE * of + nth)
}

/// Who may join, as a charter names it.
pub(crate) fn newcomers_entry(nth: usize) -> Partner {
    let (of, name) = (newcomer(nth), format!("q{nth:02}").parse().expect("lower-case letters and digits"));
    let (officers, nodes) = (vec![officer(of, 0).public()], vec![host(of).public()]);
    let card = Card::sign(name, officers, key(3, of).public(), nodes, None, &root(of, 0));
    card.expect("all keys differ").entry(UNTIL)
}

fn key(purpose: u8, of: usize) -> SecretKey {
    let mut seed = [purpose; 32];
    seed[..8].copy_from_slice(&(of as u64).to_le_bytes());
    SecretKey::from_seed(&seed)
}

/// A coalition of `seats` partners named p00, p01, ..., which is the order of seats, and of `further` nodes without
/// a seat that are spread over them.
pub(crate) fn found(seats: usize, further: usize) -> (Arc<Founded>, Vec<Member>) {
    found_with(seats, further, |_| {})
}

/// The same, with a charter that says how operations go on: two may lead them, the second takes over from one that is silent, and
/// the last two judge.
pub(crate) fn found_with_course(seats: usize, further: usize) -> (Arc<Founded>, Vec<Member>) {
    found_with(seats, further, course)
}

/// The corridors of airlifts. The first is leased to who leads, the second to the second partner.
pub(crate) const CORRIDORS: [&str; 4] = ["alfa", "bravo", "charlie", "delta"];

/// The authority that closures need: two of the first three partners.
pub(crate) const COMMAND: &str = "command";

/// The same, with leases and an authority.
pub(crate) fn found_with_powers(seats: usize, further: usize) -> (Arc<Founded>, Vec<Member>) {
    found_with(seats, further, powers)
}

fn powers(charter: &mut Charter) {
    course(charter);
    let holders = charter.partners.iter().map(|partner| partner.name.clone());
    let lease = |(corridor, partner): (&&str, _)| Lease {
        name: corridor.parse().expect("lower-case letters"),
        resource: "corridor".parse().expect("lower-case letters"),
        values: vec![vec![(*corridor).to_owned()]],
        partner,
        all_of: Terms::default(),
    };
    let leases = CORRIDORS[..2].iter().zip(holders).map(lease).collect();
    if let Some(kind) = charter.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift") {
        kind.leases = leases;
    }
    let nations = charter.partners.iter().take(3);
    let nations = nations.map(|partner| Expression::Named(AuthorityName::from(&partner.name)));
    let nations = nations.collect::<Vec<_>>();
    if nations.len() < 3 {
        return;
    }
    let command: AuthorityName = COMMAND.parse().expect("lower-case letters");
    charter.authority.precedence = Some(KindPrecedence::default());
    charter.authority.authorities = vec![Authority {
        name: command.clone(),
        kind: AuthorityKind::Coalition,
        scope: Scope::default(),
        expression: Expression::threshold(2, nations, &[]).expect("two of three"),
    }];
    if let Some(kind) = charter.operations.iter_mut().find(|kind| kind.name.as_str() == "closure") {
        kind.authority = Some(command);
    }
}

/// The alliance that closures need in some histories.
pub(crate) const PACT: &str = "pact";

/// A version of its document: so many of some partners, signed by the roots that they had at the founding.
pub(crate) fn pact_document(
    before: Option<&AllianceDocument>,
    names: &[(PartnerName, usize)],
    needs: u32,
) -> Option<AllianceDocument> {
    let parties = names.iter().map(|(name, of)| (AuthorityName::from(name), root(*of, 0).public()));
    let named = names.iter().map(|(name, _)| Expression::Named(AuthorityName::from(name)));
    Some(AllianceDocument {
        name: PACT.parse().ok()?,
        version: before.map_or(1, |before| before.version + 1),
        previous: before.map(AllianceDocument::hash),
        expression: Expression::threshold(needs, named.collect(), &[]).ok()?,
        scope: Scope::default(),
        parties: parties.collect(),
    })
}

/// The same with an alliance of the first three partners, two of whom decide, in place of the command.
pub(crate) fn found_with_pact(seats: usize, further: usize, follow: Follow) -> (Arc<Founded>, Vec<Member>) {
    found_with(seats, further, |charter| {
        powers(charter);
        let parties = charter.partners.iter().take(3).map(|partner| partner.name.clone());
        let parties = parties.enumerate().map(|(of, name)| (name, of)).collect::<Vec<_>>();
        let Some(document) = pact_document(None, &parties, 2) else { return };
        let mut signed = SignedAlliance::new(document);
        parties.iter().for_each(|(_, of)| signed.sign(&root(*of, 0)));
        charter.authority.alliances = vec![AllianceReference::new(signed, follow)];
        charter.authority.authorities.clear();
        if let Some(kind) = charter.operations.iter_mut().find(|kind| kind.name.as_str() == "closure") {
            kind.authority = PACT.parse().ok();
        }
    })
}

fn course(charter: &mut Charter) {
    let names = charter.partners.iter().map(|partner| partner.name.clone()).collect::<Vec<_>>();
    let Some(second) = names.get(1) else { return };
    let missions = ["airlift", "closure"];
    for kind in charter.operations.iter_mut().filter(|kind| missions.contains(&kind.name.as_str())) {
        kind.lead = names[..2].to_vec();
        kind.handoff.takeover =
            Some(TakeoverRule { successor: second.clone(), silent_ms: Some(5_000), lapsed: true });
        kind.dispute = (names.len() >= 4).then(|| DisputeRule {
            window_ms: 3_600_000,
            panel: names[names.len() - 2..].to_vec(),
            threshold: 1,
            if_short: IfShort::Refuse,
            rule_ms: 600_000,
            on_expiry: OnExpiry::Uphold,
            dependants: Dependants::GoOn,
            grounds: Vec::new(),
            remand_ms: Some(60_000),
        });
    }
}

fn found_with(seats: usize, further: usize, shape: impl FnOnce(&mut Charter)) -> (Arc<Founded>, Vec<Member>) {
    let members: Vec<Member> = (0..seats + further).map(|i| Member::of(i, seats)).collect();
    let card = |i: usize| {
        let name = format!("p{i:02}").parse().expect("lower-case letters and digits");
        let nodes = members.iter().enumerate().filter(|(at, _)| at % seats == i);
        let nodes = nodes.map(|(_, member)| member.node.public()).collect();
        let officers = vec![members[i].officer.public()];
        Card::sign(name, officers, key(3, i).public(), nodes, None, &key(1, i)).expect("all keys differ")
    };
    let cards: Vec<Card> = (0..seats).map(card).collect();
    let spec = DraftSpec {
        name: "simulated".parse().expect("lower-case letters"),
        created: START,
        nonce: Nonce([7; 16]),
        credentials_until: UNTIL,
        roles: RoleHints::default(),
    };
    let mut charter = draft("airlift", &cards, &spec).expect("the template fits any number of seats");
    shape(&mut charter);
    let mut founding = Founding::new(charter.clone());
    for i in 0..seats {
        let signature = CharterSignature::sign(&charter, &key(1, i)).expect("its own root");
        founding.merge(signature).expect("a root of the charter");
    }
    (Arc::new(founding.verify().expect("all have signed")), members)
}
