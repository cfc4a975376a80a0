//! Programs are killed at every point that an undisturbed command passes, before and after the
//! effect of each of its calls, and what they left is gone on with.

mod apply;
mod campaign;
mod change;
mod point;
mod run;
mod stage;
mod victim;
