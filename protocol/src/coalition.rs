//! The coalition's state: a pure function of the ordered records.
//!
//! Guarantees: two replicas that apply the same entries at the same indices and times have the same state, give the
//! same [`Applied`] for each and the same [`State::root`]. Every record, valid or not, has a defined result; nothing
//! panics, and what one partner can make the state hold open is bounded. Operations are derived, never stored as
//! truth: everything here can be recomputed from the log.
//!
//! How a batch is applied: [`State::advance`] moves batch time and decides every window that has ended; then
//! [`State::apply`] takes the entries one by one. A record that names one not yet applied is *parked* under the state
//! root and applied right after what it names, because heads differ per seat and a cause may be cut after its
//! effect. When an operation is agreed is said in [`outcome`].
//!
//! What a record needs, in the order in which it is checked: this coalition; parts within bounds; an officer of a
//! partner; its signature; not said before; a credential that has not run out by batch time; and then what the
//! charter says of its operation. The same signed record in two feeds counts once; a refused one leaves no mark, so that
//! nobody can spoil another's record by carrying it too early.
//!
//! Evidence takes effect where it is ordered: a feed whose fork is proved is frozen from that log index on, what stands in it
//! later is [`Void`](Disposition::Void), and what stood before keeps its effect, records that wait included. A seat that is
//! convicted votes on: seats do not change yet. Each proof is an integrity event by itself, of which the charter may declare
//! more: see [`IntegrityEvent`].

mod asset;
mod authority;
mod claims;
mod dispute;
mod evidence;
mod find;
mod handoff;
mod inbox;
mod integrity;
mod items;
mod judge;
mod keys;
mod lease;
mod lending;
pub mod map;
mod member;
mod obligations;
mod operation;
mod operations;
pub mod outcome;
mod park;
mod provisional;
mod refusal;
#[cfg(test)]
pub(crate) mod rng;
mod snapshot;
mod state;
mod story;
mod take;
#[cfg(test)]
mod tests;
mod told;
mod trial;
mod versions;
mod view;

pub use asset::{Asset, AssetRefusal, AssetView, Lent, MAX_ASSETS_PER_PARTNER, MAX_LENDINGS_PER_PARTNER};
pub use authority::{
    AuthorityRefusal, AuthorityView, AuthorityWord, MAX_ALLIANCE_VERSIONS, MAX_WORDS_PER_PARTNER, Mandate,
    MandateView, OrderedAlliance, Voice, VoiceView,
};
pub use dispute::{
    About, Dispute, DisputeEnd, DisputeRefusal, DisputeView, FOLLOWS, JudgeWord, MAX_DISPUTES_PER_PARTNER,
    MAX_WORDS_PER_JUDGE, Ruled,
};
pub use evidence::{Convicted, Frozen};
pub use find::{FindError, MAX_CANDIDATES, MIN_PREFIX_CHARS, find_id};
pub use handoff::{
    Ended, Handoff, HandoffEnd, HandoffRefusal, HandoffView, ItemKind, MAX_OFFERS_PER_PARTNER, Missing,
    OpenItem, PhaseView,
};
pub use inbox::{CREDENTIALS_SOON_MS, MAX_INBOX, TOLD_MS, Waiting, Waits, most_urgent_first};
pub use integrity::{
    Author, EventStatus, ExhibitView, IntegrityEvent, IntegrityRefusal, IntegrityView, KeptShown,
    MAX_EVENTS_PER_NODE, MAX_EVENTS_PER_PARTNER, MAX_INCIDENT_EVENTS, ShownView, Suspension, VoteView, Word,
    WordView, incident_id, proved_id,
};
pub use items::MAX_ITEM_BYTES;
pub use keys::{
    Admission, GrantView, KeyRefusal, KeyStatus, KeyView, MAX_GRANTS_PER_PARTNER, MAX_PASSED_ON_PER_PARTNER,
    MAX_ROTATIONS_PER_PARTNER, Purpose, RevokedView, RotationLack, RotationView,
};
pub use lease::{
    CONFLICT_GROUND, Commitment, CommitmentEnd, CommitmentView, Committed, Conflict, LeaseRefusal, Leased,
    MAX_CONFLICTS_PER_PARTNER, UnderLease, conflict_dispute,
};
pub use lending::Lending;
pub use member::{Changed, GivenWatch, MAX_PROPOSALS_PER_PARTNER, Member, MemberRefusal, Membership};
pub use obligations::{MAX_OBLIGATIONS, MemberView, Obligation, WatchView};
pub use operation::{Attestation, Earlier, Led, Mark, Operation, Over};
pub use outcome::{
    Assessment, Candidate, Decision, Deficit, Ending, MAX_DECISION_BYTES, Need, NeedOf, Stage, Standing,
    Verdict,
};
pub use park::MAX_PARKED_PER_PARTNER;
pub use provisional::Provisional;
pub use refusal::{OperationRefusal, Part, Refusal, Taken};
pub(crate) use snapshot::part_hash;
pub use snapshot::{Changes, MAX_PAGE_BYTES, MAX_PENDING_PARTS, Page, PageError, Taking};
pub use state::{
    Advanced, Applied, ApplyContext, Disposition, MAX_ATTESTATIONS_PER_PARTNER, MAX_OPEN_PER_PARTNER,
    Released, Seen, State,
};
pub use story::{LeadView, MAX_STORY_EVENTS, StoryEvent, StoryView, StoryWord};
pub use told::{ToldEnd, ToldView};
pub use trial::{End, Line, Script, Short, Step, Trial, TrialError, WordLine, trial};
pub use versions::Version;
pub use view::{AttestationView, DecisionView, OperationView, Status};
