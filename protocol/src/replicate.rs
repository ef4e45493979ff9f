//! What peers say to each other: frontiers, wants, and the things themselves.
