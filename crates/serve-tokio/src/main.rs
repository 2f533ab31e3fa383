//! The program: see the library for what it does.

fn main() -> std::process::ExitCode {
    serve_core::main(&serve_tokio::APPROACH)
}
