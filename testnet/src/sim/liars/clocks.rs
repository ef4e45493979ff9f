//! A clock far ahead or far behind; everything else is honest.

use super::Liar;
use crate::sim::rng::Rng;

pub(super) struct FarClock;

impl Liar for FarClock {}

/// How far off, in ms.
pub(super) fn draw(rng: &mut Rng) -> i64 {
    let hours = *rng.pick(&[1, 24, 24 * 365, 24 * 365 * 100]);
    let off = hours * 3_600_000;
    if rng.chance(50) { off } else { -off }
}
