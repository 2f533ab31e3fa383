//! The program of this sibling. The documentation of the library describes the approach.

fn main() -> std::process::ExitCode {
    serve_core::main(&serve_std::APPROACH)
}
