//! How many seats have to answer before anything is ordered.

use std::fmt;

use entente_hbbft::Committee;

use crate::charter::text::{all_of, of};
use crate::charter::{Charter, PartnerName};

/// The seats of a draft: those of the partners that found it.
pub(super) struct Seats<'a> {
    all: Vec<&'a PartnerName>,
    quorum: usize,
}

/// Fewer seats answer than agreement needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Short {
    /// How many more have to.
    pub more: usize,
    /// Whose seats do not, sorted.
    pub from: Vec<PartnerName>,
}

impl<'a> Seats<'a> {
    pub(super) fn of(draft: &'a Charter) -> Self {
        let all = draft.partners.iter().map(|partner| &partner.name).collect::<Vec<_>>();
        // A draft without partners, or with too many, is refused before this is asked.
        let quorum = Committee::new(all.len()).map_or(all.len(), Committee::quorum);
        Self { all, quorum }
    }

    /// What is lacking while these are `away`; nothing where enough seats answer.
    pub(super) fn short(&self, away: &[PartnerName]) -> Option<Short> {
        let from = self.all.iter().filter(|seat| away.contains(seat));
        let from = from.map(|seat| (*seat).clone()).collect::<Vec<_>>();
        let answer = self.all.len() - from.len();
        let more = self.quorum.checked_sub(answer).filter(|more| *more > 0)?;
        Some(Short { more, from })
    }

    pub(super) fn tell(&self, short: &Short) -> String {
        let (all, quorum) = (self.all.len(), self.quorum);
        let answer = all - short.from.len();
        let verb = if answer == 1 { "answers" } else { "answer" };
        format!(
            "it is held: {answer} of {all} seats {verb}, and agreement needs {quorum}; without {} nothing is ordered",
            all_of(&short.from)
        )
    }
}

impl Short {
    fn seats(&self, verbs: [&str; 2]) -> String {
        let Self { more, from } = self;
        let (noun, verb) = if *more == 1 { ("seat", verbs[0]) } else { ("seats", verbs[1]) };
        format!("{more} more {noun}{verb}{}", of(*more, from))
    }

    /// As `needs 1 more seat: sudria`.
    pub(super) fn needs(&self) -> String {
        format!("needs {}", self.seats(["", ""]))
    }
}

/// As `nothing is ordered until 1 more seat answers: sudria`.
impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing is ordered until {}", self.seats([" answers", " answer"]))
    }
}
