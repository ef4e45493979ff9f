//! The trust policy of a coalition as a file that other tools read.
//!
//! Guarantees: a tool that follows the tlog-policy format accepts with this file exactly the checkpoints that `quorum`
//! of the listed seats have cosigned.
//!
//! How: every seat is a `witness`, all of them form one `group` with the quorum as its threshold, and that group is
//! the `quorum`. There is no `log` line. A coalition has no log operator and no key of one: the seats *are* the log.
//! The format allows it (only the quorum is mandatory; the log may be known from other context), and listing a seat's
//! key once more as a log's would put one key under two names, which tlog-cosignature forbids. What a tool loses is
//! the pinned origin, which a `log` line's key name would give; so callers compare the checkpoint's first line with
//! [`origin`], which the file states in a comment. It costs no safety: cosignatures cover the origin, and a seat's
//! key signs for one coalition.
//!
//! Source: C2SP tlog-policy; C2SP signed-note, section "Verifier keys".

use std::fmt::Write as _;

use super::checkpoint::origin;
use super::cosignature::Cosigners;

/// The policy file: who must have cosigned a checkpoint of the coalition's log.
pub fn export(cosigners: &Cosigners) -> String {
    let origin = origin(cosigners.coalition());
    let mut file = format!(
        "# Log: {origin}\n\
         # Compare this with the first line of a checkpoint. The log has no key of its own: its seats cosign.\n"
    );
    let mut members = String::new();
    for seat in cosigners.seats() {
        // The prefix keeps witness names apart from the group's and from the predefined `none`.
        let _ = writeln!(file, "witness seat/{} {}", seat.partner(), seat.vkey());
        let _ = write!(members, " seat/{}", seat.partner());
    }
    let _ = writeln!(file, "group seats {}{members}\nquorum seats", cosigners.quorum());
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::testing;

    #[test]
    fn lists_every_seat_and_asks_for_the_quorum() {
        let cosigners = testing::cosigners();
        let file = export(&cosigners);
        let vkeys: Vec<_> = cosigners.seats().iter().map(|seat| seat.vkey()).collect();
        let origin = origin(&testing::coalition());
        let lines: Vec<_> = file.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                format!("witness seat/host {}", vkeys[0]),
                format!("witness seat/lift-one {}", vkeys[1]),
                format!("witness seat/lift-two {}", vkeys[2]),
                format!("witness seat/air {}", vkeys[3]),
                "group seats 3 seat/host seat/lift-one seat/lift-two seat/air".to_owned(),
                "quorum seats".to_owned(),
            ]
        );
        assert!(file.starts_with(&format!("# Log: {origin}\n")) && file.ends_with('\n'));
        assert!(vkeys[0].starts_with(&format!("{origin}/host+")));
        // Octets that the format allows.
        assert!(file.bytes().all(|byte| byte == b'\n' || (0x20..0x7f).contains(&byte)));
    }
}
