//! Byzantine seats, one small type for each way to lie. They may tell every peer something else; what they say
//! to one peer is a chain that passes for honest in form, because anything else is refused without a mark.

use std::collections::BTreeMap;

use entente_hbbft::{
    BoolSet, Committee, Digest, Epoch, EpochNumber, Frame, Message, Round, Seat, Setup, Step,
};

use crate::chain::Chain;
use crate::rng::Rng;
use crate::world::{INVALID, TAG, payload_of};

/// Whatever a liar puts on a link.
pub(crate) enum Item {
    Frame(Frame),
    Payload(Vec<u8>),
}

/// What a liar sends, to whom.
pub(crate) type Items = Vec<(Seat, Item)>;

/// A Byzantine seat.
pub(crate) trait Liar {
    /// What it sends at the start.
    fn start(&mut self, rng: &mut Rng) -> Items;
    /// What it sends upon a frame of another seat.
    fn hear(&mut self, from: Seat, frame: &Frame, rng: &mut Rng) -> Items;
    /// What it answers to a pull.
    fn serve(&self, _digest: &Digest) -> Option<Vec<u8>> {
        None
    }
}

/// The ways to lie, for drawing one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Silence,
    TwoPayloads,
    InvalidPayload,
    PartialDelivery,
    StopsMidway,
    WithheldReady,
    WithheldTerm,
    BothWays,
    Junk,
}

impl Way {
    pub(crate) const ALL: [Self; 9] = [
        Self::Silence,
        Self::TwoPayloads,
        Self::InvalidPayload,
        Self::PartialDelivery,
        Self::StopsMidway,
        Self::WithheldReady,
        Self::WithheldTerm,
        Self::BothWays,
        Self::Junk,
    ];

    pub(crate) fn liar(self, committee: Committee, seat: Seat, rng: &mut Rng) -> Box<dyn Liar> {
        let mut peers: Vec<Seat> = committee.seats().filter(|peer| *peer != seat).collect();
        rng.shuffle(&mut peers);
        let face = |peers: &[Seat], payload| Face::new(committee, seat, peers, payload);
        let some = 1 + rng.below(peers.len());
        match self {
            Self::Silence => Box::new(Silent),
            Self::TwoPayloads => {
                let (left, right) = peers.split_at(some);
                Box::new(TwoFaced([face(left, b"left".to_vec()), face(right, b"right".to_vec())]))
            }
            Self::InvalidPayload => Box::new(face(&peers, [INVALID, b" payload"].concat())),
            Self::PartialDelivery => {
                Box::new(Face { pushes: rng.below(2), ..face(&peers[..some], payload_of(seat)) })
            }
            Self::StopsMidway => {
                Box::new(Face { frames_left: rng.below(12), ..face(&peers, payload_of(seat)) })
            }
            Self::WithheldReady => {
                let drops = |message: &Message| matches!(message, Message::Ready { .. });
                Box::new(Face { drops, ..face(&peers, payload_of(seat)) })
            }
            Self::WithheldTerm => {
                let drops = |message: &Message| matches!(message, Message::Term { .. });
                Box::new(Face { drops, ..face(&peers, payload_of(seat)) })
            }
            Self::BothWays => Box::new(BothWays { peers, told: BTreeMap::new() }),
            Self::Junk => Box::new(Junk { committee, peers, told: BTreeMap::new() }),
        }
    }
}

/// Says nothing.
struct Silent;

impl Liar for Silent {
    fn start(&mut self, _rng: &mut Rng) -> Items {
        Items::new()
    }

    fn hear(&mut self, _from: Seat, _frame: &Frame, _rng: &mut Rng) -> Items {
        Items::new()
    }
}

/// An honest seat inside that shows its frames to some peers only, leaves messages out, or falls silent.
pub(crate) struct Face {
    epoch: Epoch,
    payload: Vec<u8>,
    peers: Vec<Seat>,
    /// How many of the peers get the payload pushed.
    pub(crate) pushes: usize,
    /// How many frames it sends before it falls silent.
    pub(crate) frames_left: usize,
    pub(crate) drops: fn(&Message) -> bool,
}

impl Face {
    pub(crate) fn new(committee: Committee, seat: Seat, peers: &[Seat], payload: Vec<u8>) -> Self {
        let setup = Setup::new(committee, Some(seat), TAG).expect("the liar's seat is in the committee");
        Self {
            epoch: Epoch::new(&setup, EpochNumber(1)),
            payload,
            peers: peers.to_vec(),
            pushes: peers.len(),
            frames_left: usize::MAX,
            drops: |_| false,
        }
    }

    fn show(&mut self, step: Step) -> Items {
        let drops = self.drops;
        let frame = Frame::pack(step.messages.into_iter().filter(|message| !drops(message)));
        if frame.is_empty() || self.frames_left == 0 {
            return Items::new();
        }
        self.frames_left -= 1;
        self.peers.iter().map(|peer| (*peer, Item::Frame(frame.clone()))).collect()
    }
}

impl Liar for Face {
    fn start(&mut self, _rng: &mut Rng) -> Items {
        let step = self.epoch.propose(self.payload.clone()).expect("first proposal");
        let mut items = self.show(step);
        let pushes = self.peers.iter().take(self.pushes);
        items.extend(pushes.map(|peer| (*peer, Item::Payload(self.payload.clone()))));
        items
    }

    fn hear(&mut self, from: Seat, frame: &Frame, _rng: &mut Rng) -> Items {
        let mut items = match self.epoch.receive(from, frame) {
            Ok(step) => self.show(step),
            Err(_) => Items::new(),
        };
        // Liars know what honest seats propose.
        if frame.proposal() == Some(Digest::of(&payload_of(from))) {
            let step = self.epoch.deliver(payload_of(from));
            items.extend(self.show(step));
        }
        items
    }

    fn serve(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.epoch.payload(digest).map(|payload| payload.to_vec())
    }
}

/// Two honest seats with two payloads, each facing a part of the peers.
struct TwoFaced([Face; 2]);

impl Liar for TwoFaced {
    fn start(&mut self, rng: &mut Rng) -> Items {
        self.0.iter_mut().flat_map(|face| face.start(rng)).collect()
    }

    fn hear(&mut self, from: Seat, frame: &Frame, rng: &mut Rng) -> Items {
        self.0.iter_mut().flat_map(|face| face.hear(from, frame, rng)).collect()
    }

    fn serve(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.0.iter().find_map(|face| face.serve(digest))
    }
}

/// Supports every value before those who are even and the other before those who are odd; echoes everything.
struct BothWays {
    peers: Vec<Seat>,
    told: BTreeMap<Seat, Chain>,
}

impl Liar for BothWays {
    fn start(&mut self, _rng: &mut Rng) -> Items {
        Items::new()
    }

    fn hear(&mut self, from: Seat, frame: &Frame, rng: &mut Rng) -> Items {
        let mut items = Items::new();
        for &peer in &self.peers {
            let value = peer.0 % 2 == 1;
            let told = self.told.entry(peer).or_default();
            let mut says = Vec::new();
            for message in frame.messages() {
                match message {
                    Message::Propose(digest) => {
                        says.push(Message::Echo { proposer: from, digest });
                        says.push(Message::Ready { proposer: from, digest });
                    }
                    Message::Echo { proposer, digest } => says.push(Message::Ready { proposer, digest }),
                    Message::Ready { proposer, .. } => {
                        says.push(Message::Bval { proposer, round: Round(0), value: false });
                        says.push(Message::Aux { proposer, round: Round(0), value });
                    }
                    Message::Bval { proposer, round, .. } => {
                        says.push(Message::Bval { proposer, round, value });
                        says.push(Message::Bval { proposer, round, value: !value });
                        says.push(Message::Aux { proposer, round, value });
                    }
                    Message::Aux { proposer, round, .. } => {
                        let values = BoolSet::of(value);
                        says.push(Message::Aux { proposer, round, value });
                        says.push(Message::Conf { proposer, round, values });
                    }
                    Message::Conf { proposer, round, .. } => {
                        says.push(Message::Conf { proposer, round, values: BoolSet::of(value) });
                        if rng.one_in(8) {
                            says.push(Message::Term { proposer, round, value });
                        }
                    }
                    Message::Term { proposer, round, value } => {
                        if rng.one_in(4) {
                            says.push(Message::Term { proposer, round, value: !value });
                        }
                    }
                }
            }
            says.retain(|message| told.admit(*message));
            items.extend(frame_to(peer, says));
        }
        items
    }
}

/// Says anything at all that is new in its chain, to one peer at a time.
struct Junk {
    committee: Committee,
    peers: Vec<Seat>,
    told: BTreeMap<Seat, Chain>,
}

impl Junk {
    fn message(&self, rng: &mut Rng) -> Message {
        let seats: Vec<Seat> = self.committee.seats().collect();
        let proposer = rng.pick(&seats);
        let digest = Digest::of(&if rng.one_in(3) { b"nonsense".to_vec() } else { payload_of(proposer) });
        let (round, value) = (Round(u16::try_from(rng.below(5)).expect("small")), rng.one_in(2));
        match rng.below(8) {
            0 => Message::Propose(digest),
            1 => Message::Echo { proposer, digest },
            2 => Message::Ready { proposer, digest },
            3 | 4 => Message::Bval { proposer, round, value },
            5 => Message::Aux { proposer, round, value },
            6 => {
                let values = rng.pick(&[BoolSet::Zero, BoolSet::One, BoolSet::Both]);
                Message::Conf { proposer, round, values }
            }
            _ if rng.one_in(4) => Message::Term { proposer, round, value },
            _ => Message::Aux { proposer, round, value },
        }
    }

    fn talk(&mut self, rng: &mut Rng) -> Items {
        let peer = rng.pick(&self.peers);
        let mut says: Vec<Message> = (0..6).map(|_| self.message(rng)).collect();
        let told = self.told.entry(peer).or_default();
        says.retain(|message| told.admit(*message));
        frame_to(peer, says).into_iter().collect()
    }
}

impl Liar for Junk {
    fn start(&mut self, rng: &mut Rng) -> Items {
        self.talk(rng)
    }

    fn hear(&mut self, _from: Seat, _frame: &Frame, rng: &mut Rng) -> Items {
        self.talk(rng)
    }
}

fn frame_to(peer: Seat, says: Vec<Message>) -> Option<(Seat, Item)> {
    (!says.is_empty()).then(|| (peer, Item::Frame(Frame::pack(says))))
}
