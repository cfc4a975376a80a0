# `just` lists these. Nothing here is needed to build or test: see README.md.

_default:
    @just --list

# Both programs.
build:
    cargo build --workspace

# What continuous integration runs.
ci:
    bash ci/run

# The tests, as the README has them.
test:
    cargo build --workspace && cargo test --workspace

# The main job on this machine, with nodes vanishing.
demo: build
    target/debug/provision run --local --yes --items examples/fx/items.txt --preempt-every 1s

# A million messages through the local cloud's Pub/Sub: rates, and memory for each.
million:
    cargo test -p localcloud --test conformance -- --ignored --exact --nocapture pubsub::load::a_million_messages_are_queued_and_delivered

# The JSON Schema of stack.toml, from the types.
schema: build
    target/debug/provision schema > stack.schema.json

# Licences, advisories and sources of every dependency (needs cargo-deny).
deny:
    cargo deny check

# An object of 1 GiB up and down through the local cloud, and the memory that it takes.
large-object:
    cargo test -p localcloud --test clients -- --ignored --exact memory::a_gibibyte_passes_through_in_under_100_mib --nocapture

# Two applies of different files at once, a hundred times.
two-at-once seed="1": build
    TWO_AT_ONCE=100 SEED={{seed}} cargo test -p scenarios -- --exact --nocapture two_at_once::of_two_applies_at_once_every_resource_is_wholly_one_s_and_losers_are_told
