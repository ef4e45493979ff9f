//! A frame as its author pushes it: without the digests that the reader finds in the same chain.
//!
//! A contribution travels beside the frame that proposes it, so its digest need not; nor need that of the ECHO for it in the
//! same frame, nor that of a READY for what the same chain has ECHOed. All that is left out is a function of the
//! sender's own words, never of what a third seat said: whoever has the chain up to a frame can spell it out, and what is
//! signed, stored and shown to others is the [`Frame`] alone. A frame has exactly one brief form after a given chain.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::committee::{Seat, SeatSet};
use crate::frame::{Frame, Group};
use crate::message::Digest;

/// What a frame says, as far as its sender's chain does not say it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// ECHO for the contribution that this frame proposes.
    own_echo: bool,
    /// All other ECHO, ascending by proposer.
    echo: Vec<(Seat, Digest)>,
    /// READY for the digests that the sender has sent ECHO for, in this frame or before.
    ready_as_echo: SeatSet,
    /// All other READY, ascending by proposer.
    ready: Vec<(Seat, Digest)>,
    /// As in the frame.
    votes: Vec<Group>,
}

impl Brief {
    /// The brief form of a frame of `sender`, whose frames before it in the same epoch ECHOed `echoed`.
    pub fn of(frame: &Frame, sender: Seat, echoed: &BTreeMap<Seat, Digest>) -> Self {
        let (mut own_echo, mut echo) = (false, Vec::new());
        for &(proposer, digest) in frame.echoes() {
            if proposer == sender && frame.proposal() == Some(digest) {
                own_echo = true;
            } else {
                echo.push((proposer, digest));
            }
        }
        let (mut ready_as_echo, mut ready) = (SeatSet::EMPTY, Vec::new());
        for &(proposer, digest) in frame.readies() {
            let before = echoed.get(&proposer).copied();
            let echoed = frame.echoes().iter().find(|echo| echo.0 == proposer).map(|echo| echo.1).or(before);
            if echoed == Some(digest) {
                ready_as_echo.insert(proposer);
            } else {
                ready.push((proposer, digest));
            }
        }
        Self { own_echo, echo, ready_as_echo, ready, votes: frame.groups().to_vec() }
    }

    /// The frame, given the digest of the contribution that came with it, if one did. Nothing if a digest is left out that
    /// the chain does not have, or given that it has. The frame is not [checked](Frame::check).
    pub fn spelled(
        self,
        sender: Seat,
        proposed: Option<Digest>,
        echoed: &BTreeMap<Seat, Digest>,
    ) -> Option<Frame> {
        let mut echo = self.echo.clone();
        if self.own_echo {
            echo.push((sender, proposed?));
        }
        echo.sort_unstable();
        let mut ready = self.ready.clone();
        for proposer in self.ready_as_echo.iter() {
            let here = echo.iter().find(|echo| echo.0 == proposer).map(|echo| echo.1);
            ready.push((proposer, here.or(echoed.get(&proposer).copied())?));
        }
        ready.sort_unstable();
        let frame = Frame::of(proposed, echo, ready, self.votes.clone());
        (Self::of(&frame, sender, echoed) == self).then_some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::committee::Committee;
    use crate::message::{Message, Round};

    const SENDER: Seat = Seat(1);

    fn digest(of: u8) -> Digest {
        Digest::of(&[of])
    }

    fn echo(proposer: u16, of: u8) -> Message {
        Message::Echo { proposer: Seat(proposer), digest: digest(of) }
    }

    fn ready(proposer: u16, of: u8) -> Message {
        Message::Ready { proposer: Seat(proposer), digest: digest(of) }
    }

    fn echoed() -> BTreeMap<Seat, Digest> {
        BTreeMap::from([(Seat(0), digest(0)), (Seat(3), digest(3))])
    }

    #[test]
    fn every_frame_comes_back_and_what_the_chain_names_is_left_out() {
        let aux = Message::Aux { proposer: Seat(2), round: Round(0), value: true };
        let cases = [
            vec![Message::Propose(digest(1)), echo(1, 1), echo(2, 2), ready(1, 1), ready(0, 0)],
            vec![Message::Propose(digest(1)), echo(1, 7)],
            vec![echo(1, 1), ready(3, 3), ready(2, 2), aux],
            vec![ready(0, 9), aux],
        ];
        for messages in cases {
            let frame = Frame::pack(messages);
            let brief = Brief::of(&frame, SENDER, &echoed());
            assert_eq!(brief.clone().spelled(SENDER, frame.proposal(), &echoed()), Some(frame));
        }
        let all =
            Frame::pack([Message::Propose(digest(1)), echo(1, 1), ready(0, 0), ready(1, 1), ready(3, 3)]);
        let brief = Brief::of(&all, SENDER, &echoed());
        assert!(brief.own_echo && brief.echo.is_empty() && brief.ready.is_empty());
    }

    #[test]
    fn there_is_one_brief_form_and_nothing_is_made_up() {
        let frame = Frame::pack([echo(2, 2), ready(0, 0), ready(2, 2)]);
        let brief = Brief::of(&frame, SENDER, &echoed());
        let spelled = |brief: Brief| brief.spelled(SENDER, None, &echoed());
        // A READY as another digest than the ECHO, and one that repeats the ECHO's.
        let mut longer = brief.clone();
        longer.ready_as_echo = SeatSet::from_iter([Seat(2)]);
        longer.ready = vec![(Seat(0), digest(0))];
        assert_eq!(spelled(longer), None);
        let mut twice = brief.clone();
        twice.ready = vec![(Seat(0), digest(5))];
        let committee = Committee::new(4).expect("a size");
        assert!(spelled(twice).expect("it is spelled out").check(&committee).is_err());
        // What is not there.
        let mut unknown = brief.clone();
        unknown.ready_as_echo.insert(Seat(1));
        assert_eq!(spelled(unknown), None);
        let mut unproposed = brief.clone();
        unproposed.own_echo = true;
        assert_eq!(spelled(unproposed), None);
        // In another order.
        let swapped = Brief { echo: vec![(Seat(2), digest(2)), (Seat(0), digest(0))], ..brief };
        assert_eq!(spelled(swapped), None);
    }
}
