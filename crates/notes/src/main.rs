//! `notes`: fills the lessons with code by anchor, output from runs, and figures from records.

fn main() {}
