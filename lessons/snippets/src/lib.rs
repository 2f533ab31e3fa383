//! The small programs that the lessons quote. Each program is a separate example, such as
//! `cargo run -p snippets --example cheat-std`. The lessons quote them so that all code in the
//! lessons compiles.
