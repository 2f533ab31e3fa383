//! The command line.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use harness::text;

/// The text below the options in the long help.
const EXAMPLES: &str = r#"Examples (start a server first: cargo run -p serve-tokio):
  probe localhost:4000
      send nothing, and read until EOF
  probe localhost:4000 --expect assets/river.webp
      compare the reply with the file, byte by byte
  probe localhost:4000 --send "GET / HTTP/1.1\r\n\r\n" --hex
      send an HTTP request, and print the first 64 bytes of the reply
  probe localhost:4000 --send hello --half-close
      send a word, half-close, and continue to read
  probe localhost:4000 --small --wait 3
      read nothing for 3 s, then read the whole reply
  probe localhost:4000 --small --slow 20KiB
      read 20 KiB per second
  probe localhost:4000 --read 10 --reset
      read 10 bytes, then reset the connection

The client follows the options in this order: --send, --upload, --half-close,
--wait, --read, --stay, and then --reset or --close. Times are measured from the
moment at which the connection was established.

Sizes are in bytes or have a unit: 10, 64KiB, 20MB. Times are in seconds or have
a unit: 3, 0.5, 500ms. The escapes in TEXT are \r \n \t \\ \xNN.

Exit codes: 0 if the server sent its FIN, or the client ended the connection as
requested; 1 if the connection ended differently, or the reply differs from the
file of --expect; 2 if the client could not connect."#;

/// The bytes to send. clap accepts several values for a field whose type is `Vec`. The alias hides
/// this type, so that clap accepts only one value.
type Text = Vec<u8>;

/// Open a connection and print the received data and events with timestamps
#[derive(Debug, Parser)]
#[command(version, max_term_width = 80, after_long_help = EXAMPLES)]
pub struct Options {
    /// Address of the server, or a port on this computer
    #[arg(value_name = "HOST:PORT", value_parser = address)]
    pub server: SocketAddr,
    /// Send this text at the beginning of the connection
    #[arg(long, alias = "say", value_name = "TEXT", value_parser = text::unescape)]
    pub send: Option<Text>,
    /// Number of zero bytes to send after the text of --send
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = text::bytes)]
    pub upload: u64,
    /// Half-close the connection, then continue to read
    #[arg(long)]
    pub half_close: bool,
    /// Wait for this time before the first read
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = text::duration)]
    pub wait: Duration,
    /// Read this number of bytes, then close the socket or continue with --stay
    #[arg(long, value_name = "BYTES", value_parser = text::bytes)]
    pub read: Option<u64>,
    /// Maximum number of bytes to read per second
    #[arg(long, value_name = "BYTES", value_parser = text::positive_bytes)]
    pub slow: Option<u64>,
    /// Use a small receive buffer and small segments
    ///
    /// With small buffers and segments, the kernel accepts little data for a client that does not
    /// read. If the server runs on the same Linux computer, the client also uses a local address
    /// that no earlier client used.
    #[arg(long)]
    pub small: bool,
    /// Maximum duration of each read and write
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = text::duration)]
    pub timeout: Duration,
    /// Wait for this time after --read, then read the rest of the reply
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = text::duration)]
    pub stay: Duration,
    /// Reset the connection after --read, --wait or --stay
    #[arg(long, conflicts_with = "close")]
    pub reset: bool,
    /// Close the socket after --read, --wait or --stay; unread data causes an RST
    #[arg(long)]
    pub close: bool,
    /// Compare the reply, without its preamble, with this file
    #[arg(long, value_name = "FILE")]
    pub expect: Option<PathBuf>,
    /// Number of bytes of the reply to print; 64 without BYTES
    #[arg(long, value_name = "BYTES", num_args = 0..=1, value_parser = text::bytes)]
    #[arg(default_value = "16", default_missing_value = "64")]
    pub hex: u64,
    /// Print the time and the number of bytes of each read
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
    // Prefer IPv4, because the kit's servers listen only on IPv4 by default.
    let first = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    first.copied().ok_or_else(|| format!("the host has no address; {help}"))
}
