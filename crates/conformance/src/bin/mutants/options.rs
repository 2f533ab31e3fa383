//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use harness::text::duration;

use crate::mutant::Mutant;

/// Serve a file correctly, or with one deliberate bug
#[derive(Clone, Debug, Parser)]
#[command(name = "mutants", after_help = "`mutants --list` lists all bugs.")]
pub struct Options {
    /// File to serve
    pub file: PathBuf,
    /// Port to listen on
    pub port: u16,
    /// Bug of the server
    #[arg(long = "bug", value_name = "NAME", hide_possible_values = true)]
    pub mutant: Option<Mutant>,
    /// Chunk size in bytes
    #[arg(long = "chunk", value_name = "BYTES", default_value = "65536",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub chunk_bytes: u32,
    /// Bytes before the file
    #[arg(long, value_name = "KIND", default_value = "bare")]
    pub preamble: Preamble,
    /// Connection limit
    #[arg(long, value_name = "N", default_value = "2000",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: u32,
    /// Stall timeout
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub stall_timeout: Duration,
    /// Linger timeout
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub linger_timeout: Duration,
    /// Grace period of the shutdown
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub grace: Duration,
    /// Log each chunk as an event
    #[arg(long)]
    pub log_chunks: bool,
}

/// The preamble of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preamble {
    /// `HTTP/1.1` and two newlines
    Bare,
    /// A response header
    Http,
    /// Nothing
    None,
}
