//! What came to nothing is told of in the inbox for a day, whatever else is ordered and whoever signs for the partner now.

use entente_node::api::dto::SubmitView;
use entente_node::runtime::clock;
use entente_protocol::coalition::{Waiting, Waits};
use entente_protocol::credential::{Capability, Chain, Delegation, Revocation, Target};
use entente_protocol::identity::{RecordId, SecretKey};
use entente_protocol::record::{Act, KeyAct, Role, Stance};

use super::runtime_support::{
    For, PATIENCE, address, attest, found, get, key, open, post, say, socket, start,
};

/// More than were ever looked through at once.
const NOTES: usize = 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_record_stays_in_the_inbox_behind_many_leaves_a_change_of_officers_and_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (founded, socket) = (found(2), socket(folder.path(), 0));
    let node = start(&founded, folder.path(), 0, Vec::new()).await.expect("starts");
    let submit = async |record: Vec<u8>| -> SubmitView {
        post(&socket, "/v1/records?wait=ordered&timeout_ms=60000", record).await
    };
    let refused = async || -> Vec<(Option<RecordId>, String)> {
        let inbox: Vec<Waiting> = get(&socket, "/v1/inbox").await;
        let refused = inbox.into_iter().filter(|it| it.what == Waits::Refused);
        refused.map(|it| (it.about, it.why)).collect()
    };

    // Alone of two it orders nothing yet, so the second of two words is not refused before it is held.
    let (opening, id) = open(&founded, 0, "North corridor");
    let (yes, _) = attest(&founded, 0, id, Role::Lead, Stance::Endorse);
    let (no, late) = attest(&founded, 0, id, Role::Lead, Stance::Object);
    let place = node.handle().follow().until_ordered(late).expect("room");
    for record in [opening, yes, no] {
        let _: SubmitView = post(&socket, "/v1/records?wait=held", record).await;
    }
    let other = start(&founded, folder.path(), 1, vec![address(&node).await]).await.expect("starts");
    let place = tokio::time::timeout(PATIENCE, place).await.expect("in time").expect("runs");
    let index = place.index;
    assert!(place.outcome.starts_with("refused: "), "{}", place.outcome);
    let told = refused().await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, Some(late));
    assert!(told[0].1.starts_with(&format!("refused at leaf {index}: ")), "{}", told[0].1);

    let notes = (0..NOTES).flat_map(|number| {
        let note = format!("note {number}").into_bytes();
        [&(note.len() as u32).to_le_bytes()[..], &note].concat()
    });
    let path = "/v1/notes/batch?wait=ordered&timeout_ms=60000";
    let noted: Vec<SubmitView> = post(&socket, path, notes.collect()).await;
    assert!(noted.iter().all(|note| note.index.is_some_and(|noted| noted > index)));
    assert_eq!((noted.len(), refused().await), (NOTES, told.clone()));

    // Another officer in place of the one that signed it.
    let (root, partner) = (key(0, For::Root), "aquila".parse().expect("a name"));
    let next = SecretKey::from_seed(&[77; 32]);
    let until = clock::now().plus(3_600_000);
    let delegation = Delegation::direct(
        founded.coalition(),
        root.public(),
        next.public(),
        partner,
        Capability::Officer,
        until,
    );
    let partner = delegation.partner.clone();
    let chain = Chain(vec![delegation.sign(&root)]);
    let (grant, _) = say(&founded, 0, "grant", Act::Key(KeyAct::Grant(chain)));
    assert_eq!(submit(grant).await.outcome.as_deref(), Some("applied"));
    let revocation = Revocation {
        coalition: founded.coalition(),
        partner,
        issuer: root.public(),
        reason: "the laptop is lost".into(),
        target: Target::Key(key(0, For::Officer).public()),
    };
    let revoke = Act::Key(KeyAct::Revoke(Box::new(revocation.sign(&root))));
    assert_eq!(submit(say(&founded, 0, "revoke", revoke).0).await.outcome.as_deref(), Some("applied"));
    assert_eq!(refused().await, told);

    node.stop().await;
    let node = start(&founded, folder.path(), 0, Vec::new()).await.expect("starts again");
    assert_eq!(refused().await, told);
    node.stop().await;
    other.stop().await;
}
