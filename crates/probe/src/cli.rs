//! The command line.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use harness::text;

const EXAMPLES: &str = r#"Examples (start a server first: cargo run -p serve-tokio):
  probe localhost:4000
      send nothing, and read until the end
  probe localhost:4000 --expect assets/river.webp
      also compare every byte with the file
  probe localhost:4000 --send "GET / HTTP/1.1\r\n\r\n" --hex
      send a request like a browser, and print the first 64 bytes of the reply
  probe localhost:4000 --send hello --half-close
      send a word and a FIN, and continue to read
  probe localhost:4000 --small --wait 3
      read nothing for 3 s
  probe localhost:4000 --small --slow 20KiB
      read slowly
  probe localhost:4000 --read 10 --reset
      disconnect during the reply with a RST

On its connection, the client sends the text, uploads, half-closes, waits, reads,
stays and ends, always in this order. Times count from the connection's start.

Sizes are in bytes or have a unit: 10, 64KiB, 20MB. Times are in seconds or have
a unit: 3, 0.5, 500ms. The escapes in TEXT are \r \n \t \\ \xNN.

Exit code: 0 the server sent its FIN, or the client ended the connection as
requested; 1 the connection ended differently, or the reply is not the file of
--expect; 2 the client could not connect."#;

/// Bytes to send. The alias hides the `Vec` from clap, which would accept several values.
type Text = Vec<u8>;

/// Open one connection, and print what it receives, with timestamps
#[derive(Debug, Parser)]
#[command(version, max_term_width = 80, after_long_help = EXAMPLES)]
pub struct Options {
    /// Address of the server, or a port on this computer
    #[arg(value_name = "HOST:PORT", value_parser = address)]
    pub server: SocketAddr,
    /// Send this text first
    #[arg(long, alias = "say", value_name = "TEXT", value_parser = text::unescape)]
    pub send: Option<Text>,
    /// Then send this many zeros, before anything is read
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = text::bytes)]
    pub upload: u64,
    /// Then shut down the write half: send a FIN, and continue to read
    #[arg(long)]
    pub half_close: bool,
    /// Read nothing for this long, then start to read
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = text::duration)]
    pub wait: Duration,
    /// Read this many bytes, then close; or continue with --stay, --reset or --close
    #[arg(long, value_name = "BYTES", value_parser = text::bytes)]
    pub read: Option<u64>,
    /// Read at most this many bytes per second
    #[arg(long, value_name = "BYTES", value_parser = text::positive_bytes)]
    pub slow: Option<u64>,
    /// Use a small receive buffer and small segments
    ///
    /// The kernel then accepts little data for a client that does not read. On Linux, a client of a
    /// server on the same computer also uses an address that no earlier client used.
    #[arg(long)]
    pub small: bool,
    /// Maximum time to wait for the next byte, or for space to send one
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = text::duration)]
    pub timeout: Duration,
    /// Stay connected for this long without reading, after --read; then read the rest, or end
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = text::duration)]
    pub stay: Duration,
    /// End the connection with a RST, after --read, --wait or --stay
    #[arg(long, conflicts_with = "close")]
    pub reset: bool,
    /// End the connection by closing the socket; if data is unread, the kernel sends a RST
    #[arg(long)]
    pub close: bool,
    /// Compare the reply with a preamble and this file
    #[arg(long, value_name = "FILE")]
    pub expect: Option<PathBuf>,
    /// Print this many of the reply's first bytes; without a number, 64
    #[arg(long, value_name = "BYTES", num_args = 0..=1, value_parser = text::bytes)]
    #[arg(default_value = "16", default_missing_value = "64")]
    pub hex: u64,
    /// Print each read: its time, and the number of bytes
    #[arg(long)]
    pub times: bool,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let help = "pass a host and a port (localhost:4000), or a port of this computer (4000)";
    if let Ok(port) = text.trim_start_matches(':').parse::<u16>() {
        return Ok(([127, 0, 0, 1], port).into());
    }
    let found = text.to_socket_addrs().map_err(|error| format!("{error}; {help}"))?;
    let addresses: Vec<SocketAddr> = found.collect();
    // By default, the kit's servers listen on IPv4 only.
    let first = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    first.copied().ok_or_else(|| format!("the host has no address; {help}"))
}
