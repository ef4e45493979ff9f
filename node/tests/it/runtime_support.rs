//! Coalitions of keys with known seeds, nodes of them in this process, and a plain HTTP client for their sockets.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use entente_discovery::{LinkProfile, Multiaddr, PortPolicy};
use entente_node::api::dto::ErrorView;
use entente_node::runtime::{Node, NodeConfig, StartError};
use entente_protocol::charter::{
    AtLeast, AuthorityRules, CHARTER_VERSION, Charter, HandoffRule, IntegrityRules, OperationType,
    OutcomeRule, Partner, PartnerName, Quota,
};
use entente_protocol::engine::{Snapshots, Timing};
use entente_protocol::feed::Lane;
use entente_protocol::founding::{CharterSignature, Founded, Founding};
use entente_protocol::identity::{RecordId, SecretKey};
use entente_protocol::record::{Act, Attest, Body, Nonce, Open, Record, Role, Stance};
use entente_protocol::time::Time;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// A safety net: no test waits that long unless something is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

const NAMES: [&str; 4] = ["aquila", "borea", "corvus", "delphin"];

/// What a key is for; with the partner's number its seed.
#[derive(Clone, Copy)]
pub(crate) enum For {
    Root = 1,
    Officer = 2,
    Seat = 3,
    Node = 4,
}

pub(crate) fn key(partner: usize, purpose: For) -> SecretKey {
    SecretKey::from_seed(&[(partner * 10) as u8 + purpose as u8; 32])
}

/// A coalition of the first `size` partners, who all signed.
pub(crate) fn found(size: usize) -> Arc<Founded> {
    let now = entente_node::runtime::clock::now();
    found_at(size, now, |_| now.plus(86_400_000))
}

/// The same, founded at `now`, with the end of each partner's credentials.
pub(crate) fn found_at(size: usize, now: Time, until: impl Fn(usize) -> Time) -> Arc<Founded> {
    let names = NAMES[..size].iter().map(|name| name.parse().expect("a name")).collect::<Vec<PartnerName>>();
    let partners = names.iter().enumerate().map(|(number, name)| Partner {
        name: name.clone(),
        root: key(number, For::Root).public(),
        officers: vec![key(number, For::Officer).public()],
        seat: key(number, For::Seat).public(),
        nodes: vec![key(number, For::Node).public()],
        credentials_until: until(number),
    });
    let supporting = names[1..].to_vec();
    let least = AtLeast { role: Role::Supporting, count: supporting.len().min(2) as u32 };
    let mut charter = Charter {
        version: CHARTER_VERSION,
        previous: None,
        name: "corridor".parse().expect("a name"),
        created: now,
        nonce: Nonce([7; 16]),
        step_ms: 30_000,
        clock_tolerance_ms: 60_000,
        quota: Quota::default(),
        partners: partners.collect(),
        admitted: vec![],
        capabilities: vec![],
        operations: vec![OperationType {
            name: "airlift".parse().expect("a name"),
            precedence: Lane::Immediate,
            effect: None,
            window_ms: 3_600_000,
            lead: vec![names[0].clone()],
            supporting: supporting.clone(),
            observing: Vec::new(),
            roles: vec![],
            fields: vec![],
            resources: vec![],
            leases: vec![],
            may_raise: vec![],
            may_raise_with: None,
            rule: OutcomeRule {
                required: vec![Role::Lead],
                at_least: if supporting.is_empty() { Vec::new() } else { vec![least] },
                ..OutcomeRule::default()
            },
            handoff: HandoffRule::default(),
            phases: Vec::new(),
            dispute: None,
            authority: None,
        }],
        integrity: IntegrityRules::default(),
        authority: AuthorityRules::default(),
    };
    charter.sort();
    let mut founding = Founding::new(charter.clone());
    for number in 0..size {
        let signature = CharterSignature::sign(&charter, &key(number, For::Root)).expect("signs");
        founding.merge(signature).expect("merges");
    }
    Arc::new(founding.verify().expect("all roots signed"))
}

pub(crate) fn socket(folder: &Path, partner: usize) -> PathBuf {
    folder.join(format!("{partner}.sock"))
}

pub(crate) async fn start(
    founded: &Arc<Founded>,
    folder: &Path,
    partner: usize,
    peers: Vec<Multiaddr>,
) -> Result<Node, StartError> {
    start_with([9; 32], founded, folder, partner, peers).await
}

/// The same with another coalition secret.
pub(crate) async fn start_with(
    secret: [u8; 32],
    founded: &Arc<Founded>,
    folder: &Path,
    partner: usize,
    peers: Vec<Multiaddr>,
) -> Result<Node, StartError> {
    Node::start(config(secret, founded, folder, partner, peers)).await
}

pub(crate) fn config(
    secret: [u8; 32],
    founded: &Arc<Founded>,
    folder: &Path,
    partner: usize,
    peers: Vec<Multiaddr>,
) -> NodeConfig {
    NodeConfig {
        chain: None,
        founded: Arc::clone(founded),
        secret: Zeroizing::new(secret),
        node: key(partner, For::Node),
        seat: Some(key(partner, For::Seat)),
        store: folder.join(format!("{partner}.redb")),
        socket: socket(folder, partner),
        listen: vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().expect("an address")],
        port: PortPolicy::Preferred,
        announce: Vec::new(),
        peers,
        profile: LinkProfile::lan(),
        timing: Timing::LAN,
        snapshots: Snapshots::DEFAULT,
    }
}

/// A signed record that opens an operation, encoded, and the operation's id.
pub(crate) fn open(founded: &Founded, partner: usize, title: &str) -> (Vec<u8>, RecordId) {
    let open = Open {
        kind: "airlift".into(),
        title: title.into(),
        body: [("slots".to_owned(), "12".to_owned())].into(),
        precedence: None,
    };
    say(founded, partner, title, Act::Open(open))
}

/// A signed attestation, encoded, and its id.
pub(crate) fn attest(
    founded: &Founded,
    partner: usize,
    operation: RecordId,
    role: Role,
    stance: Stance,
) -> (Vec<u8>, RecordId) {
    let attest = Attest { operation, role, stance, caveat: None, evidence: vec![], supersedes: None };
    say(founded, partner, &format!("{operation} {role:?} {stance:?}"), Act::Attest(attest))
}

/// A signed record of the partner's officer, encoded, and its id.
pub(crate) fn say(founded: &Founded, partner: usize, key_text: &str, act: Act) -> (Vec<u8>, RecordId) {
    let officer = key(partner, For::Officer);
    let nonce = Nonce::from_key(&officer.public(), key_text);
    let record = Record { coalition: founded.coalition(), nonce, signer: officer.public(), act };
    let id = record.id();
    (Body::Signed(record.sign(&officer)).encode(), id)
}

/// One request on a connection of its own.
pub(crate) async fn request(socket: &Path, method: Method, path: &str, body: Vec<u8>) -> (StatusCode, Bytes) {
    let asked = async {
        let stream = tokio::net::UnixStream::connect(socket).await.expect("a node answers");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("speaks HTTP");
        let driver = tokio::spawn(connection);
        let json = body.first() == Some(&b'{');
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "entente")
            .header("content-type", if json { "application/json" } else { "application/octet-stream" })
            .body(Full::new(Bytes::from(body)))
            .expect("a request");
        let response = sender.send_request(request).await.expect("an answer");
        let status = response.status();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        drop(sender);
        driver.await.expect("not cancelled").expect("closes");
        (status, body)
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("answers in time")
}

pub(crate) async fn get<T: DeserializeOwned>(socket: &Path, path: &str) -> T {
    read(request(socket, Method::GET, path, Vec::new()).await)
}

pub(crate) async fn get_text(socket: &Path, path: &str) -> String {
    let (status, body) = request(socket, Method::GET, path, Vec::new()).await;
    let text = String::from_utf8(body.to_vec()).expect("text");
    assert!(status.is_success(), "{status}: {text}");
    text
}

pub(crate) async fn post<T: DeserializeOwned>(socket: &Path, path: &str, body: Vec<u8>) -> T {
    read(request(socket, Method::POST, path, body).await)
}

fn read<T: DeserializeOwned>((status, body): (StatusCode, Bytes)) -> T {
    assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).expect("the answer that is documented")
}

/// A request that must fail: its status and error.
pub(crate) async fn refused(socket: &Path, method: Method, path: &str, body: Vec<u8>) -> (u16, ErrorView) {
    let (status, body) = request(socket, method, path, body).await;
    assert!(!status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    let error = serde_json::from_slice(&body).unwrap_or_else(|_| {
        panic!("{status}: not the error that is documented: {}", String::from_utf8_lossy(&body))
    });
    (status.as_u16(), error)
}

/// Batch time is not before the epoch of the charter.
pub(crate) fn is_time(time: Time) -> bool {
    time.0 > 1_700_000_000_000
}

/// Where a node listens, with its id.
pub(crate) async fn address(node: &Node) -> Multiaddr {
    let listeners = node.handle().mesh().listeners().await.expect("runs");
    let peer = node.handle().mesh().local_peer();
    format!("{}/p2p/{peer}", listeners.first().expect("listens")).parse().expect("an address")
}
