//! Bugs planted on purpose, so that tests can show that they would be caught. Without the feature `plant` nothing is
//! ever planted and no trace of it is compiled.

#[cfg(feature = "plant")]
use std::cell::Cell;

#[cfg(feature = "plant")]
thread_local! {
    static PLANTED: Cell<&'static str> = const { Cell::new("") };
}

/// Plants a bug on this thread in place of the one before; nothing for the empty name.
#[cfg(feature = "plant")]
pub fn plant(name: &'static str) {
    PLANTED.set(name);
}

/// Whether this bug is planted on this thread.
#[cfg(feature = "plant")]
pub fn is(name: &str) -> bool {
    PLANTED.get() == name
}

/// Whether a claim, which holds without it, fails with this bug.
#[cfg(feature = "plant")]
pub fn is_caught_by(name: &'static str, claim: fn()) -> bool {
    claim();
    plant(name);
    let caught = std::panic::catch_unwind(claim).is_err();
    plant("");
    caught
}

/// Whether this bug is planted on this thread: none is.
#[cfg(not(feature = "plant"))]
#[inline(always)]
pub const fn is(_name: &str) -> bool {
    false
}
