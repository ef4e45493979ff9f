//! Assets move by their owner's word alone.

use super::authority::{speak, statement};
use super::*;
use crate::authority::Word;
use crate::charter::PartnerName;
use crate::coalition::{Asset, AssetRefusal, MAX_ASSETS_PER_PARTNER, MemberRefusal};
use crate::record::{AssetAct, Change, Contribute, Control, Declare, Recall};

pub(super) fn declare(name: &str) -> Act {
    let kind = "c-130".parse().expect("a name");
    Act::Asset(AssetAct::Declare(Declare {
        name: name.parse().expect("a name"),
        kind,
        label: "a lift".into(),
    }))
}

pub(super) fn contribute(asset: RecordId, operation: RecordId, control: Control) -> Act {
    Act::Asset(AssetAct::Contribute(Contribute { asset, operation, caveat: Some("by day".into()), control }))
}

pub(super) fn recall(asset: RecordId) -> Act {
    Act::Asset(AssetAct::Recall(Recall { asset, ground: Some("needed at home".into()) }))
}

impl Bench {
    pub(super) fn act(&self, partner: &str, nonce: &str, act: Act) -> SignedRecord {
        record(&self.founded, partner, nonce, act)
    }

    pub(super) fn does(&mut self, partner: &str, nonce: &str, act: Act) -> RecordId {
        let signed = self.act(partner, nonce, act);
        assert_eq!(self.apply(&signed).disposition, Disposition::Applied);
        self.assert_root();
        signed.record.id()
    }

    fn asset_refusal(&mut self, partner: &str, nonce: &str, act: Act) -> AssetRefusal {
        let signed = self.act(partner, nonce, act);
        match self.refusal(&signed) {
            Refusal::Asset(refusal) => refusal,
            other => panic!("{other}"),
        }
    }

    fn controller(&self, asset: RecordId) -> String {
        self.state.controller(self.state.asset(&asset).expect("declared")).to_string()
    }
}

#[test]
fn an_asset_is_lent_under_a_caveat_and_comes_home_at_its_owners_word() {
    let mut bench = Bench::four();
    let asset = bench.does("sudria", "1", declare("lift-7"));
    let operation = bench.open();
    assert_eq!(bench.controller(asset), "sudria");
    bench.does("sudria", "2", contribute(asset, operation, Control::Lead(vec![name("norden")])));
    assert_eq!(bench.controller(asset), "norden", "norden leads and was granted control");
    let view = bench.state.asset_view(bench.state.asset(&asset).expect("declared"));
    assert_eq!((view.operation, view.caveat.as_deref()), (Some(operation), Some("by day")));
    bench.does("sudria", "3", recall(asset));
    assert_eq!(bench.controller(asset), "sudria");
    let view = bench.state.asset_view(bench.state.asset(&asset).expect("declared"));
    assert_eq!((view.operation, view.ground.as_deref()), (None, Some("needed at home")));
    // Granted to one that does not lead: nobody but the owner controls it.
    bench.does("sudria", "4", contribute(asset, operation, Control::Lead(vec![name("estmark")])));
    assert_eq!(bench.controller(asset), "sudria");
}

#[test]
fn an_asset_of_an_operation_that_came_to_nothing_is_its_owners_again() {
    let mut bench = Bench::four();
    let asset = bench.does("sudria", "1", declare("lift-7"));
    let operation = bench.open();
    bench.does("sudria", "2", contribute(asset, operation, Control::Lead(vec![name("norden")])));
    bench.advance(bench.state.time().plus(7 * HOUR_MS));
    assert_eq!(bench.verdict(operation), Some(Verdict::Expired));
    assert_eq!(bench.controller(asset), "sudria");
    let next = bench.open();
    assert_eq!(
        bench.asset_refusal("sudria", "3", contribute(asset, operation, Control::Owner)).to_string(),
        format!("{operation} takes no assets: expired at {}", crate::charter::show_time(bench.state.time()))
    );
    bench.does("sudria", "4", contribute(asset, next, Control::Owner));
}

#[test]
fn who_is_suspended_takes_its_own_home_and_nothing_else() {
    let mut bench = Bench::four();
    let (one, two) =
        (bench.does("sudria", "1", declare("lift-7")), bench.does("sudria", "2", declare("lift-8")));
    let (first, second) = (bench.open(), bench.open());
    for (nonce, asset, operation) in [("3", one, first), ("4", two, second)] {
        bench.does("sudria", nonce, contribute(asset, operation, Control::Lead(vec![name("norden")])));
    }
    bench.suspends("sudria");
    assert_eq!(bench.controller(one), "norden", "what was granted before stands");
    bench.does("sudria", "5", recall(one));
    assert_eq!(bench.controller(one), "sudria");
    // By a word of its authority, too; no other word of it.
    let word = |word| speak(statement(second, "sudria", word, 1));
    bench.does("sudria", "6", word(Word::Recall));
    assert_eq!(bench.controller(two), "sudria");
    for act in [word(Word::Refuse), contribute(one, first, Control::Owner), declare("lift-9")] {
        let signed = bench.act("sudria", "7", act);
        let refused = bench.refusal(&signed);
        assert!(matches!(refused, Refusal::Member(MemberRefusal::NotActive { .. })), "{refused}");
    }
    let signed = bench.act("sudria", "8", speak(statement(second, "norden", Word::Recall, 1)));
    let refused = bench.refusal(&signed);
    assert!(matches!(refused, Refusal::Member(MemberRefusal::NotActive { .. })), "of another: {refused}");
}

/// A recall that is no voice: what the nation said before stands as it was, in its favour or not.
#[test]
fn what_a_suspended_nation_recalls_neither_stops_nor_lets_pass_what_the_others_decide() {
    for before in [Word::Permit, Word::Refuse] {
        let mut charter = charter(&FOUR);
        let kind =
            charter.operations.iter_mut().find(|kind| kind.name.as_str() == "airlift").expect("declared");
        kind.authority = Some("sudria".parse().expect("a name"));
        charter.authority.precedence = Some(
            crate::authority::KindPrecedence::new([
                crate::authority::AuthorityKind::National,
                crate::authority::AuthorityKind::Alliance,
                crate::authority::AuthorityKind::Coalition,
            ])
            .expect("each once"),
        );
        charter.sort();
        let mut bench = Bench::new(found(charter));
        let operation = bench.open();
        let asset = bench.does("sudria", "1", declare("lift-7"));
        bench.does("sudria", "2", contribute(asset, operation, Control::Owner));
        bench.does("sudria", "3", speak(statement(operation, "sudria", before, 1)));
        let ruling = |bench: &Bench| {
            let view = bench.state.view(&operation, bench.state.time()).expect("known");
            view.authority.map(|mandate| mandate.text)
        };
        let said = ruling(&bench);
        bench.suspends("sudria");
        bench.does("sudria", "4", speak(statement(operation, "sudria", Word::Recall, 2)));
        assert_eq!(bench.controller(asset), "sudria");
        assert!(bench.state.asset(&asset).expect("declared").lent.is_none());
        assert_eq!(ruling(&bench), said, "{before}");
    }
}

#[test]
fn a_nation_lets_in_again_what_its_authority_has_kept_out() {
    let mut bench = Bench::four();
    let asset = bench.does("sudria", "1", declare("lift-7"));
    let operation = bench.agreed();
    let speaks = |word, number| speak(statement(operation, "sudria", word, number));
    let early = bench.act("sudria", "2", speaks(Word::Permit, 1));
    assert!(matches!(bench.refusal(&early), Refusal::Authority(_)), "there is nothing to lift");
    bench.does("sudria", "3", contribute(asset, operation, Control::Owner));
    bench.does("sudria", "4", speaks(Word::Recall, 1));
    let refused = bench.asset_refusal("sudria", "5", contribute(asset, operation, Control::Owner));
    assert!(matches!(refused, AssetRefusal::KeptOut { word: Word::Recall, .. }), "{refused}");
    bench.does("sudria", "6", speaks(Word::Permit, 2));
    bench.does("sudria", "7", contribute(asset, operation, Control::Owner));
    assert_eq!(bench.verdict(operation), Some(Verdict::Agreed));
}

#[test]
fn a_lead_that_is_suspended_controls_nothing_until_it_is_reinstated() {
    let mut bench = Bench::four();
    let asset = bench.does("sudria", "1", declare("lift-7"));
    let operation = bench.open();
    bench.does("sudria", "2", contribute(asset, operation, Control::Lead(vec![name("norden")])));
    bench.suspends("norden");
    assert_eq!(bench.controller(asset), "sudria");
    bench.agrees_on("reinstatement", Change::Reinstate(name("norden")));
    assert_eq!(bench.controller(asset), "norden");
}

#[test]
fn nothing_is_lent_against_the_word_of_its_owners_authority() {
    let mut bench = Bench::four();
    let asset = bench.does("sudria", "1", declare("lift-7"));
    let operation = bench.open();
    bench.does("sudria", "2", contribute(asset, operation, Control::Owner));
    bench.does("sudria", "3", speak(statement(operation, "sudria", Word::Refuse, 1)));
    let index = bench.index;
    let lend = contribute(asset, operation, Control::Owner);
    assert_eq!(
        bench.asset_refusal("sudria", "4", lend.clone()),
        AssetRefusal::KeptOut { partner: name("sudria"), operation, word: Word::Refuse, index }
    );
    let other = bench.open();
    bench.does("sudria", "5", contribute(asset, other, Control::Owner));
}

#[test]
fn every_mistake_has_its_own_refusal() {
    let mut bench = Bench::four();
    let asset = bench.does("sudria", "1", declare("lift-7"));
    let operation = bench.open();
    let lift: crate::charter::AssetName = "lift-7".parse().expect("a name");
    for act in [contribute(asset, operation, Control::Owner), recall(asset)] {
        assert_eq!(
            bench.asset_refusal("norden", "x", act),
            AssetRefusal::NotOwner { partner: name("norden"), owner: name("sudria"), name: lift.clone() }
        );
    }
    assert_eq!(
        bench.asset_refusal("sudria", "2", declare("lift-7")),
        AssetRefusal::NameTaken { owner: name("sudria"), name: lift.clone(), declared: asset }
    );
    assert_eq!(
        bench.asset_refusal("sudria", "3", recall(asset)),
        AssetRefusal::AtHome { name: lift.clone() }
    );
    assert_eq!(
        bench.asset_refusal("sudria", "4", recall(operation)),
        AssetRefusal::NotAnAsset { named: operation }
    );
    let unsorted = Control::Lead(vec![name("sudria"), name("norden")]);
    for control in [Control::Lead(vec![]), unsorted, Control::Lead(vec![name("nobody")])] {
        assert_eq!(
            bench.asset_refusal("sudria", "5", contribute(asset, operation, control)),
            AssetRefusal::Controllers { name: lift.clone() }
        );
    }
    let radar = bench.does("vigil", "6", declare("radar"));
    assert_eq!(
        bench.asset_refusal("vigil", "7", contribute(radar, operation, Control::Owner)),
        AssetRefusal::NoPart { partner: name("vigil"), operation }
    );
    bench.does("sudria", "8", contribute(asset, operation, Control::Owner));
    assert_eq!(
        bench.asset_refusal("sudria", "9", contribute(asset, operation, Control::Owner)),
        AssetRefusal::Lent { name: lift, operation }
    );
}

#[test]
fn what_names_an_asset_or_operation_that_has_not_come_waits_for_both() {
    let mut bench = Bench::four();
    let (declared, opened) =
        (bench.act("sudria", "1", declare("lift-7")), open(&bench.founded, "norden", "x"));
    let (asset, operation) = (declared.record.id(), opened.record.id());
    let lent = bench.act("sudria", "2", contribute(asset, operation, Control::Owner));
    assert_eq!(bench.apply(&lent).disposition, Disposition::Parked { awaits: asset });
    assert_eq!(bench.apply(&declared).disposition, Disposition::Applied);
    assert_eq!(bench.state.parked(&lent.record.id()), Some(operation));
    let applied = bench.apply(&opened);
    assert_eq!(
        applied.released.iter().map(|it| &it.disposition).collect::<Vec<_>>(),
        [&Disposition::Applied]
    );
    assert!(bench.state.serves(bench.state.asset(&asset).expect("declared")).is_some());
    bench.assert_root();
}

#[test]
fn the_assets_of_one_partner_are_bounded() {
    let mut bench = Bench::four();
    for number in 0..MAX_ASSETS_PER_PARTNER {
        let signed = bench.act("sudria", &number.to_string(), declare(&format!("lift-{number}")));
        assert_eq!(bench.apply(&signed).disposition, Disposition::Applied);
    }
    let most = MAX_ASSETS_PER_PARTNER as u64;
    assert_eq!(
        bench.asset_refusal("sudria", "more", declare("lift-x")),
        AssetRefusal::TooMany { owner: name("sudria"), most }
    );
    bench.does("estmark", "1", declare("lift-x"));
}

/// What an asset does, by the words of the documentation: kept beside the state and compared with it.
#[derive(Default)]
struct Shadow {
    owners: BTreeMap<RecordId, &'static str>,
    serves: BTreeMap<RecordId, RecordId>,
}

#[test]
fn no_sequence_of_records_moves_anothers_asset() {
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let mut bench = Bench::four();
        let mut shadow = Shadow::default();
        let mut operations = vec![bench.open()];
        let mut ids = operations.clone();
        for step in 0..120 {
            let partner = FOUR[rng.below(4) as usize];
            let named = ids[rng.below(ids.len() as u64) as usize];
            let operation = match rng.below(5) {
                0 => named,
                _ => operations[rng.below(operations.len() as u64) as usize],
            };
            let before: Vec<Asset> = bench.state.assets().cloned().collect();
            match rng.below(10) {
                0 => {
                    operations.push(bench.open());
                    ids.push(operations[operations.len() - 1]);
                    continue;
                }
                1 => {
                    bench.advance(bench.state.time().plus(rng.below(3) * HOUR_MS));
                    continue;
                }
                _ => {}
            }
            let act = match rng.below(3) {
                0 => declare(&format!("a{}", rng.below(6))),
                1 => {
                    let all: Vec<PartnerName> = ["estmark", "norden", "sudria"].map(name).to_vec();
                    let control = match rng.below(2) {
                        0 => Control::Owner,
                        _ => Control::Lead(all[rng.below(3) as usize..].to_vec()),
                    };
                    contribute(named, operation, control)
                }
                _ => recall(named),
            };
            let signed = bench.act(partner, &step.to_string(), act.clone());
            let id = signed.record.id();
            let applied = bench.apply(&signed).disposition == Disposition::Applied;
            match act {
                Act::Asset(AssetAct::Declare(_)) if applied => {
                    shadow.owners.insert(id, partner);
                    ids.push(id);
                }
                Act::Asset(AssetAct::Contribute(it)) if applied => {
                    shadow.serves.insert(it.asset, it.operation);
                }
                Act::Asset(AssetAct::Recall(it)) if applied => {
                    shadow.serves.remove(&it.asset);
                }
                _ => {}
            }
            for old in &before {
                let now = bench.state.asset(&old.id).expect("declared things stay");
                assert_eq!(now.owner.as_str(), shadow.owners[&old.id], "seed {seed}");
                if now != old {
                    assert_eq!(now.owner, name(partner), "seed {seed}: {partner} moved {old:?}");
                }
                let lent = now.lent.as_ref().map(|lent| lent.grant.operation);
                assert_eq!(lent, shadow.serves.get(&old.id).copied(), "seed {seed}");
                let granted = match now.lent.as_ref().map(|lent| &lent.grant.control) {
                    Some(Control::Lead(to)) => to.clone(),
                    _ => vec![],
                };
                let controller = bench.state.controller(now);
                assert!(*controller == now.owner || granted.contains(controller), "seed {seed}");
            }
        }
        bench.assert_root();
        let restored = bench.state.items().iter().map(|item| item.encode()).collect::<Vec<_>>();
        let founded = Arc::new(bench.founded.clone());
        let again = State::of_items(&founded, restored.iter().map(Vec::as_slice), &bench.state.root());
        let again = again.expect("its own items");
        assert!(again.assets().eq(bench.state.assets()));
        assert_eq!(again.records, bench.state.records);
    }
}
