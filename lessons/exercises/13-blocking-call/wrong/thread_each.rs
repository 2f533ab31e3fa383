//! This answer is incorrect because each client blocks a separate thread.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, thread};

use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::time::sleep;

const PREAMBLE: &[u8] = b"HTTP/1.1\n\n";
const CHUNK_BYTES: usize = 64 * 1024;

fn main() -> io::Result<()> {
    let (file, port) = arguments();
    let mut builder = Builder::new_multi_thread();
    // Two worker threads serve all clients. At most four threads run blocking file calls.
    builder.worker_threads(2).max_blocking_threads(4);
    let runtime = builder.enable_all().build()?;
    runtime.block_on(accept_loop(file.into(), port))
}

async fn accept_loop(file: Arc<Path>, port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let file = Arc::clone(&file);
                let stream = stream.into_std()?;
                stream.set_nonblocking(false)?;
                thread::spawn(move || handle_connection(stream, &file));
            }
            // If no file descriptor is left, `accept` fails immediately, so wait a moment.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Serves one client. An error ends only the connection to this client.
fn handle_connection(mut stream: TcpStream, file: &Path) -> io::Result<()> {
    let mut reader = stream.try_clone()?;
    let draining = thread::spawn(move || io::copy(&mut reader, &mut io::sink()));
    stream.write_all(PREAMBLE)?;
    if let Ok(mut file) = File::open(file) {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let bytes = file.read(&mut chunk)?;
            if bytes == 0 {
                break;
            }
            stream.write_all(&chunk[..bytes])?;
        }
    }
    stream.shutdown(Shutdown::Write)?;
    let _ = draining.join();
    Ok(())
}

fn arguments() -> (PathBuf, u16) {
    let mut arguments = env::args().skip(1);
    let mut next = || arguments.next().expect("usage: exercise-13 FILE PORT");
    let (file, port) = (next().into(), next());
    (file, port.parse().expect("PORT must be a number from 0 to 65535"))
}
