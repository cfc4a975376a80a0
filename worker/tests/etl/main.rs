//! The engine as a user's configuration reaches it.

#![allow(clippy::expect_used, reason = "a test that cannot go on says so")]

mod bad_rows;
mod case;
mod formats;
mod functions;
mod fx;
mod numbers;
mod outputs;
mod queries;
mod streaming;
mod tables;
