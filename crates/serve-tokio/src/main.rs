//! The program of this sibling. The documentation of the library describes it.

fn main() -> std::process::ExitCode {
    serve_core::main(&serve_tokio::APPROACH)
}
