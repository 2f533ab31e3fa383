# Highwater: every way in. `just` alone lists the recipes.
# Without just, each recipe is the cargo command that stands in it.

# Arguments go through as they are, spaces and all.
set positional-arguments

[private]
default:
    @just --list --unsorted

# The blocking std server: `just run-std notes.txt --preamble http`
[group('run')]
[no-exit-message]
run-std *ARGS:
    cargo run -p serve-std -- "$@"

# The Tokio server
[group('run')]
[no-exit-message]
run-tokio *ARGS:
    cargo run -p serve-tokio -- "$@"

# The async-std server
[group('run')]
[no-exit-message]
run-async-std *ARGS:
    cargo run -p serve-async-std -- "$@"

# The smol server
[group('run')]
[no-exit-message]
run-smol *ARGS:
    cargo run -p serve-smol -- "$@"

# One client that tells what comes, as it comes: `just probe localhost:4000 --say hello --half-close`
[group('run')]
[no-exit-message]
probe *ARGS:
    @cargo run --quiet -p probe -- "$@"

# All tests; one sibling's contract: `just test -p approaches -- tokio::`
[group('check')]
[no-exit-message]
test *ARGS:
    cargo test "$@"

# The exercises: `just exercise` says what to do next, `just exercise --help` what else there is
[group('learn')]
[no-cd]
[no-exit-message]
exercise *ARGS:
    @[ -e "{{ justfile_directory() }}/target/debug/workshop" ] || [ -e "{{ justfile_directory() }}/target/debug/workshop.exe" ] || echo 'Building the exercise runner; this happens once.'
    @WORKSHOP_CALLED_AS='just exercise' cargo run --quiet --manifest-path "{{ justfile_directory() }}/Cargo.toml" -p workshop -- "$@"

# Judge a sibling by the contract, or all: `just verify tokio`, `just verify --all`
[group('check')]
[no-exit-message]
verify APPROACH *ARGS:
    @shift && cargo run --quiet -p conformance -- {{ if APPROACH == "--all" { APPROACH } else { "--approach " + APPROACH } }} "$@"

# Judge any server: `just verify-cmd 'node server.mjs {file} {port}'`
[group('check')]
[no-exit-message]
verify-cmd CMD *ARGS:
    @cmd="$1"; shift && cargo run --quiet -p conformance -- "$@" -- "$cmd"

# Load any server: `just load localhost:4000 --total 10000 --connections 16`
[group('measure')]
[no-exit-message]
load *ARGS:
    @cargo run --quiet --release -p benches --bin load -- "$@"

# Race the servers against nginx, Node and each other: `just peers --measure river --no-record`
[group('measure')]
[no-exit-message]
peers *ARGS:
    @cargo run --quiet --release -p benches --bin peers -- "$@"

# All suites, several minutes: `just bench`; some of them: `just bench tokio`
[group('measure')]
[no-exit-message]
bench *ARGS:
    @[ "${1:-}" != -- ] || shift; cargo bench -p benches --bench suites -- "$@"

# Every bench id once, in less than 3 minutes; some of them: `just bench-quick tokio`
[group('measure')]
[no-exit-message]
bench-quick *ARGS:
    @[ "${1:-}" != -- ] || shift; cargo bench -p benches --bench suites -- --warm-up-time 0.2 --measurement-time 0.5 --sample-size 10 --nresamples 2000 "$@"

# System calls, context switches, threads, memory and CPU of each server as a process (Linux)
[group('measure')]
[no-exit-message]
footprint *ARGS:
    @cargo run --quiet --release -p benches --bin footprint -- "$@"

# Make a page of the last `bench` and `footprint`, and print its path
[group('measure')]
[no-exit-message]
report *ARGS:
    @cargo run --quiet --release -p benches --bin report -- "$@"

# The same into benches/records/, raw and rendered: `just record --machine my-laptop`
[group('measure')]
[no-exit-message]
record *ARGS:
    @cargo run --quiet --release -p benches --bin report -- --record "$@"

# Compare two records, or one with the last runs here: `just bench-diff 2026-11-25-linux-2-cores now`
[group('measure')]
[no-exit-message]
bench-diff A B:
    @cargo run --quiet --release -p benches --bin report -- diff "$@"

# Format, lint and document, with warnings as errors
[group('check')]
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# All that CI runs
[group('check')]
ci:
    .ci/run

# Ask real clients and write lessons/node/clients.md; `just clients --check` compares
[group('check')]
[no-exit-message]
clients *ARGS:
    .ci/clients "$@"

# The note's server and its repaired twin before the checks; `--write` refreshes docs/CONTRACT.md
[group('check')]
[no-exit-message]
node-pair *ARGS:
    .ci/node-pair "$@"

# Advisories, licences and sources of all dependencies (`cargo install cargo-deny` first)
[group('check')]
deny:
    cargo deny check

# The book of lessons, exercises and code, into target/book; `just book --open`, `just book --serve`
[group('read')]
[no-exit-message]
book *ARGS:
    @cargo run --quiet -p notes --bin book -- "$@"

# Draw the lessons' pictures from their sources; `just pictures --check` compares
[group('read')]
[no-exit-message]
pictures *ARGS:
    @cargo run --quiet -p notes --bin pictures -- "$@"

# The API documentation, in a browser
[group('read')]
docs:
    cargo doc --workspace --no-deps --open

# Two siblings side by side, with what really differs marked: `just compare tokio smol`
[group('read')]
[no-exit-message]
compare A B *ARGS:
    @cargo run --quiet -p notes --bin compare -- "$@"

# Fill the lessons with code, output and figures; `just notes --check` tells what is not true
[group('read')]
[no-exit-message]
notes *ARGS:
    @cargo run --quiet -p notes -- "$@"

# Draw assets/river.webp anew
[group('assets')]
river:
    cargo run --release --manifest-path assets/draw-river/Cargo.toml
