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

/// Whether this bug is planted on this thread: none is.
#[cfg(not(feature = "plant"))]
#[inline(always)]
pub const fn is(_name: &str) -> bool {
    false
}
