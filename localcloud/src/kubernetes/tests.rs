//! A cluster as its clients see it: the `kube` crate over the real port, processes of this machine in
//! the pods.

mod apply;
mod cluster;
mod jobs;
mod machines;
mod nodes;
mod protocol;
