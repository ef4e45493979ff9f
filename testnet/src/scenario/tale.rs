//! What a scenario tells: lines for whoever watches, at once or later, and each step for programs.

use std::cell::RefCell;
use std::time::Instant;

use serde::Serialize;

use crate::say::say;

/// Where the lines go.
#[derive(Debug)]
pub(crate) enum Teller {
    /// To standard output, as they come.
    Aloud { colour: bool },
    /// They are kept.
    Later(RefCell<Vec<String>>),
}

/// Lines for whoever watches.
#[derive(Debug)]
pub(crate) struct Tale {
    begun: Instant,
    teller: Teller,
}

impl Tale {
    pub(crate) fn new(teller: Teller) -> Self {
        Self { begun: Instant::now(), teller }
    }

    fn colours(&self) -> bool {
        matches!(self.teller, Teller::Aloud { colour: true })
    }

    fn tell(&self, line: String) {
        match &self.teller {
            Teller::Aloud { .. } => say(&line),
            Teller::Later(lines) => lines.borrow_mut().push(line),
        }
    }

    pub(crate) fn chapter(&self, text: &str) {
        let (bold, plain) = if self.colours() { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        self.tell(format!("\n{bold}{text}{plain}"));
    }

    pub(crate) fn line(&self, who: &str, what: &str) {
        let mut who = who;
        for line in what.lines() {
            self.tell(format!("{:>6.1} s  {who:<10} {line}", self.begun.elapsed().as_secs_f64()));
            who = "";
        }
    }

    pub(crate) fn good(&self, word: &str, text: &str) {
        let (green, plain) = if self.colours() { ("\x1b[1;32m", "\x1b[0m") } else { ("", "") };
        self.tell(format!("{green}{word}{plain}{text}"));
    }

    /// What was told and kept.
    pub(crate) fn kept(&self) -> Vec<String> {
        match &self.teller {
            Teller::Aloud { .. } => Vec::new(),
            Teller::Later(lines) => lines.borrow().clone(),
        }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }
}

/// A step that was played.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StepView {
    /// Its number in the scenario; 0 for one that the twin adds.
    pub(crate) number: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    pub(crate) step: &'static str,
    pub(crate) took_ms: u128,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failed: Option<String>,
}
