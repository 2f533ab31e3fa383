//! `workshop`: the exercise runner.

fn main() {}
