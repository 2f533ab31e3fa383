//! The program of this sibling. The library's documentation describes the approach.

fn main() -> std::process::ExitCode {
    serve_core::main(&serve_compio::APPROACH)
}
