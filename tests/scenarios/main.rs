//! End-to-end scenarios: one binary, so that two cores build it once.

#![allow(clippy::cast_precision_loss, clippy::expect_used, clippy::print_stdout)] // tests fail, count and tell

mod accounts;
mod architecture;
mod bad_input;
mod bound;
mod calls;
mod chaos;
mod command;
mod crash_points;
mod cycle;
mod down;
mod drift;
mod evidence;
mod faults;
mod fx;
mod google_queue;
mod guards;
mod hostile_items;
mod hundred_thousand;
mod least_privilege;
mod import;
mod logs;
mod rename;
mod manifests;
mod money;
mod mutants;
mod no_noise;
mod permissions;
mod pools;
mod runs;
mod secrets;
mod several;
mod shared;
mod stacks;
mod two_at_once;
mod vanishing;
mod versions;
mod walk;
