//! Reading a line from the terminal without showing it.
//!
//! The terminal itself is asked, not standard input, so that a pipe cannot take the place of a person. Its settings are put back
//! whatever happens: interrupts come as a character while the line is read, not as a signal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::errors::{CliError, Exit};

const TERMINAL: &str = "/dev/tty";

/// A terminal that shows nothing, until this is dropped.
struct Hidden<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Hidden<'a> {
    fn new(terminal: &'a File) -> rustix::io::Result<Self> {
        let before = tcgetattr(terminal.as_fd())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(terminal.as_fd(), OptionalActions::Flush, &hidden)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // Nothing helps where this fails; the shell resets its terminal, too.
        let _ = tcsetattr(self.terminal.as_fd(), OptionalActions::Flush, &self.before);
    }
}

/// Asks for one line of 1 to `limit` bytes.
pub(super) fn ask(prompt: &str, limit: usize) -> Result<Zeroizing<String>, CliError> {
    let broken = |why: &dyn std::fmt::Display| {
        CliError::new(
            Exit::Failure,
            "no passphrase was typed",
            why,
            "run it at a terminal, or give --passphrase-file FILE",
        )
    };
    let mut terminal = File::options()
        .read(true)
        .write(true)
        .open(TERMINAL)
        .map_err(|error| broken(&format!("there is no terminal to ask at: {error}")))?;
    let typed = {
        let again = terminal.try_clone().map_err(|error| broken(&error))?;
        let _hidden = Hidden::new(&again).map_err(|error| broken(&error))?;
        write!(terminal, "{prompt}: ").map_err(|error| broken(&error))?;
        let typed = line(&mut terminal, limit).map_err(|why| broken(&why));
        let _ = writeln!(terminal);
        typed?
    };
    match std::str::from_utf8(&typed) {
        Ok("") => Err(broken(&"the line is empty")),
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(broken(&"it is not UTF-8 text")),
    }
}

/// Bytes up to the end of the line, as a person corrects them.
#[expect(clippy::unbuffered_bytes, reason = "a buffer would keep a copy of what is typed")]
fn line(input: &mut impl std::io::Read, limit: usize) -> Result<Zeroizing<Vec<u8>>, String> {
    // Room for all of it at once: a vector that grows leaves copies behind.
    let mut typed = Zeroizing::new(Vec::with_capacity(limit));
    for byte in input.bytes() {
        match byte.map_err(|error| error.to_string())? {
            b'\r' | b'\n' => return Ok(typed),
            // Interrupt.
            0x03 => return Err("it was broken off".into()),
            // End of input.
            0x04 => return if typed.is_empty() { Err("it was broken off".into()) } else { Ok(typed) },
            // The whole line is taken back.
            0x15 => typed.clear(),
            // One character is taken back, with all its bytes.
            0x08 | 0x7f => while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            byte if typed.len() < limit => typed.push(byte),
            _ => return Err(format!("it is longer than {limit} bytes")),
        }
    }
    Err("the terminal has gone".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<u8>, String> {
        line(&mut &bytes[..], 8).map(|typed| typed.to_vec())
    }

    #[test]
    fn a_line_is_corrected_ended_and_broken_off_as_people_expect() {
        assert_eq!(read(b"word\n"), Ok(b"word".to_vec()));
        assert_eq!(read("wä\u{7f}ord\r".as_bytes()), Ok(b"word".to_vec()));
        assert_eq!(read(b"wrong\x15word\x04"), Ok(b"word".to_vec()));
        assert_eq!(read(b"\x7f\x7f\n"), Ok(vec![]));
        for broken in [&b"wo\x03rd\n"[..], b"\x04", b"word", b"ninebytes\n"] {
            assert!(read(broken).is_err(), "{broken:?}");
        }
    }
}
