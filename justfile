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

# Two applies of the same and of different files at once, a hundred times.
two-at-once seed="1": build
    TWO_AT_ONCE=100 SEED={{seed}} cargo test -p scenarios -- --exact --nocapture two_at_once::of_two_applies_at_once_every_resource_is_wholly_one_s_and_losers_are_told

# Every call of an apply, a change and a teardown fails in every way that services are known to.
faults: build
    cargo test -p scenarios --test scenarios -- --ignored --nocapture --test-threads 1 faults::

# Random stacks and edits of them: nothing to do after an apply, an edit is that edit (SEED=, STACKS=).
no-noise: build
    cargo test -p scenarios --test scenarios -- --ignored --exact --nocapture no_noise::any_stack_that_is_applied_has_nothing_to_do_and_any_edit_is_that_edit

# A run of 100,000 items whose receipts come from simulated workers: calls, seconds, dollars, memory.
hundred-thousand: build
    cargo test -p scenarios -- --ignored --exact hundred_thousand::a_run_of_100_000_items_costs_few_calls --nocapture

# A worker, its node and `provision run` are struck at every point of a run, with one output an item and with two
# (POINTS=Worker,insert,-receipts: at some).
crash-points: build
    cargo test -p scenarios --test scenarios -- --ignored --nocapture --test-threads 1 crash_points::run::

# `provision` is killed at every point of an apply, a teardown, a resize, a replacement, and given again
# (POINTS=setIamPolicy,-before: at some).
crash-points-apply: build
    cargo test -p scenarios --test scenarios -- --ignored --nocapture --test-threads 1 crash_points::apply::

# Three runs over some of the same items while everything goes wrong (SEED=number: the same again, ITEMS=number).
chaos: build
    cargo test -p scenarios --test scenarios -- --ignored --exact --nocapture chaos::every_item_is_done_once_in_chaos

# Programs with a mistake in them: the campaigns must find each out.
mutants *names:
    tests/mutants/run {{names}}

# What the worker costs: its queue beside the official client's, the protocol beside a subscriber in Python.
bench-worker:
    cargo bench -p scenarios --bench worker

# How fast plans are made and carried out: round trips one after another, calls, seconds, memory.
bench-plan:
    cargo build --profile bench --workspace
    cargo bench -p scenarios --bench plan

# The fx transform over ten million rows, beside pandas and Polars (ROWS=, MEMORY_MIB=, PYTHON=).
bench-etl:
    cargo bench -p worker --bench etl

# What a release holds for this machine's architecture, into target/dist (needs musl-gcc).
release:
    bash ci/release
