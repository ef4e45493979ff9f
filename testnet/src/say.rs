//! Standard output, whose reader may go away: `demo | head` is no reason to end in the middle of the work.

use std::io::Write as _;

/// Prints a line. If nobody reads any more, nothing is said and the work goes on.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
