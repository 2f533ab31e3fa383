//! What the clients of this kit have in common; `probe` itself is the program in `main.rs`.

pub mod address;
pub mod text;
