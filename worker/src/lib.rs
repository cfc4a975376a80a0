//! Runs one item of work at a time.
