//! What does not pass.
