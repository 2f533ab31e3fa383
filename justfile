# The commands of Highwater. `just` without arguments lists all recipes. If just is not installed,
# run the command of a recipe directly.

# Pass arguments unchanged, including spaces.
set positional-arguments

# `just verify` includes the optional compio server after a debug build, for example with
# `just run-compio`. `just peers` includes this server after a release build.
with_compio_debug := if path_exists(justfile_directory() / "target/debug/serve-compio") == "true" { "--features approaches/compio" } else { "" }
with_compio_release := if path_exists(justfile_directory() / "target/release/serve-compio") == "true" { "--features approaches/compio" } else { "" }

[private]
default:
    @just --list --unsorted

# Run the blocking std server, for example `just run-std notes.txt --preamble http`
[group('run')]
[no-exit-message]
run-std *ARGS:
    cargo run -p serve-std -- "$@"

# Run the Tokio server
[group('run')]
[no-exit-message]
run-tokio *ARGS:
    cargo run -p serve-tokio -- "$@"

# Run the async-std server
[group('run')]
[no-exit-message]
run-async-std *ARGS:
    cargo run -p serve-async-std -- "$@"

# Run the smol server
[group('run')]
[no-exit-message]
run-smol *ARGS:
    cargo run -p serve-smol -- "$@"

# Run the mio server, which has a hand-written event loop and no runtime
[group('run')]
[no-exit-message]
run-mio *ARGS:
    cargo run -p serve-mio -- "$@"

# Run the compio server, which uses io_uring (requires Linux and Rust 1.95 or later)
[group('run')]
[no-exit-message]
run-compio *ARGS:
    {{ if os() == "linux" { "cargo run -p serve-compio --" } else { error("serve-compio requires Linux") } }} "$@"

# Run a test client that prints received data with timestamps: `just probe localhost:4000 --send hello --half-close`
[group('run')]
[no-exit-message]
probe *ARGS:
    @cargo run --quiet -p probe -- "$@"

# Show servers while they run, on a page: `just flow --approach std,tokio`, `just flow replay trace.jsonl`
[group('run')]
[no-cd]
[no-exit-message]
flow *ARGS:
    @cargo run --manifest-path "{{ justfile_directory() }}/Cargo.toml" -p flow -- "$@"

# Run all tests, or the tests of one sibling: `just test -p approaches -- tokio::`
[group('check')]
[no-exit-message]
test *ARGS:
    cargo test "$@"

# Show the next step of the exercises; `just exercise --help` lists the other commands
[group('learn')]
[no-cd]
[no-exit-message]
exercise *ARGS:
    @[ -e "{{ justfile_directory() }}/target/debug/workshop" ] || [ -e "{{ justfile_directory() }}/target/debug/workshop.exe" ] || echo 'Building the exercise runner; this happens only once.'
    @WORKSHOP_CALLED_AS='just exercise' cargo run --quiet --manifest-path "{{ justfile_directory() }}/Cargo.toml" -p workshop -- "$@"

# Run the conformance checks for one or all siblings: `just verify tokio`, `just verify --all`
[group('check')]
[no-exit-message]
verify APPROACH *ARGS:
    @shift && cargo run --quiet -p conformance {{ with_compio_debug }} -- {{ if APPROACH == "--all" { APPROACH } else { "--approach " + APPROACH } }} "$@"

# Run the conformance checks for any server: `just verify-cmd 'node server.mjs {file} {port}'`
[group('check')]
[no-exit-message]
verify-cmd CMD *ARGS:
    @cmd="$1"; shift && cargo run --quiet -p conformance -- "$@" -- "$cmd"

# Send load to any server: `just load localhost:4000 --total 10000 --connections 16`
[group('measure')]
[no-exit-message]
load *ARGS:
    @cargo run --quiet --release -p benches --bin measure -- load "$@"

# Compare the servers with nginx, Node and each other: `just peers --scenario river --no-record`
[group('measure')]
[no-exit-message]
peers *ARGS:
    @cargo run --quiet --release -p benches --bin measure {{ with_compio_release }} -- race "$@"

# Run all benchmark suites (several minutes) or some benchmarks: `just bench`, `just bench tokio`
[group('measure')]
[no-exit-message]
bench *ARGS:
    @[ "${1:-}" != -- ] || shift; cargo bench -p benches --bench suites -- "$@"

# Run all benchmarks briefly (less than 3 minutes) or some benchmarks: `just bench-quick tokio`
[group('measure')]
[no-exit-message]
bench-quick *ARGS:
    @[ "${1:-}" != -- ] || shift; cargo bench -p benches --bench suites -- --warm-up-time 0.2 --measurement-time 0.5 --sample-size 10 --nresamples 2000 "$@"

# Measure system calls, context switches, threads, memory and CPU time of each server (Linux)
[group('measure')]
[no-exit-message]
footprint *ARGS:
    @cargo run --quiet --release -p benches --bin measure -- footprint "$@"

# Run all siblings at the same time with mixed clients, and check every byte and all resources: `just soak --minutes 60` (Linux)
[group('measure')]
[no-exit-message]
soak *ARGS:
    @cargo run --quiet --release -p benches --bin measure -- soak "$@"

# Generate a page from the last `bench`, `footprint` and `peers` runs, and print its path
[group('measure')]
[no-exit-message]
report *ARGS:
    @cargo run --quiet --release -p benches --bin measure -- report "$@"

# Save the last `bench` and `footprint` runs in benches/records/, as data and as a page: `just record --machine my-laptop`
[group('measure')]
[no-exit-message]
record *ARGS:
    @cargo run --quiet --release -p benches --bin measure -- report --record "$@"

# Compare two records, or a record with the last runs on this machine: `just bench-diff 2026-11-25-linux-2-cores now`
[group('measure')]
[no-exit-message]
bench-diff A B:
    @cargo run --quiet --release -p benches --bin measure -- diff "$@"

# Check the format, lint the code, and build the API documentation, with warnings as errors
[group('check')]
lint:
    cargo fmt --all --check
    cargo clippy --workspace --exclude serve-compio --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --exclude serve-compio --no-deps --locked

# Run all checks that CI runs
[group('check')]
ci:
    .ci/run

# Test HTTP clients and write lessons/node/clients.md; `just clients --check` only compares the file
[group('check')]
[no-exit-message]
clients *ARGS:
    .ci/clients "$@"

# Check the original and the corrected Node server; `just node-pair --write` updates docs/CONTRACT.md
[group('check')]
[no-exit-message]
node-pair *ARGS:
    .ci/node-pair "$@"

# Run all servers on a machine that fails (Linux): `just faults --write` updates docs/FAULTS.md
[group('check')]
[no-exit-message]
faults *ARGS:
    @cargo run --quiet --release -p faults -- "$@"

# Check the advisories, licenses and sources of all dependencies (requires `cargo install cargo-deny`)
[group('check')]
deny:
    cargo deny check

# Build the book of lessons, exercises and code in target/book: `just book --open`, `just book --serve`
[group('read')]
[no-exit-message]
book *ARGS:
    @cargo run --quiet -p docs-tool -- book "$@"

# Draw the lessons' pictures from their sources; `just pictures --check` only compares the pictures
[group('read')]
[no-exit-message]
pictures *ARGS:
    @cargo run --quiet -p docs-tool -- pictures "$@"

# Build the API documentation and open it in a browser
[group('read')]
docs:
    cargo doc --workspace --exclude serve-compio --no-deps --open

# Show two siblings side by side, and mark the differences: `just compare tokio smol`
[group('read')]
[no-exit-message]
compare A B *ARGS:
    @cargo run --quiet -p docs-tool -- compare "$@"

# Fill in the code, output and values of the lessons; `just notes --check` only compares the lessons
[group('read')]
[no-exit-message]
notes *ARGS:
    @cargo run --quiet -p docs-tool -- fill "$@"

# Draw the picture assets/river.webp again
[group('assets')]
river:
    cargo run --release --manifest-path assets/draw-river/Cargo.toml
