//! HoneyBadger asynchronous Byzantine agreement, sans-IO.
