//! Small programs that the lessons quote, each an example of its own:
//! `cargo run -p snippets --example cheat-std`. They are here so that no lesson shows code that does
//! not compile.
