//! `probe`: one client that looks closely at what it gets.

fn main() {}
