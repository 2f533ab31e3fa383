//! Receives and sends data with io_uring, and compares its costs with readiness (lesson 17).
#![allow(clippy::print_stdout, reason = "the output of an example is its purpose")]

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    linux::cancel_receive(None)?;
    linux::cancel_receive(Some(b"hello"))?;
    linux::compare()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("io_uring needs Linux");
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "io_uring needs buffers that outlive the operation")]
mod linux {
    use std::fs;
    use std::io::{self, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;
    use std::thread;

    use io_uring::opcode::{AsyncCancel, Recv, Send};
    use io_uring::types::Fd;
    use io_uring::{IoUring, squeue};
    use mio::{Events, Interest, Poll, Token};

    const ROUNDS: u32 = 10_000;

    // ANCHOR: push
    /// Adds an operation to the submission queue.
    fn push(ring: &mut IoUring, operation: &squeue::Entry) {
        // SAFETY: all buffers of this program exist until the process ends (`Box::leak`), so they
        // outlive their operations, even if a function returns an error.
        unsafe { ring.submission().push(operation) }.expect("the queue has space");
    }
    // ANCHOR_END: push

    // ANCHOR: cancel
    /// Starts to receive, and then cancels this operation.
    pub fn cancel_receive(data: Option<&[u8]>) -> io::Result<()> {
        let (mut client, stream) = connect()?;
        let mut ring = IoUring::new(8)?;
        let buffer = Box::leak(Box::new([0; 16]));
        let receive = Recv::new(Fd(stream.as_raw_fd()), buffer.as_mut_ptr(), 16);
        push(&mut ring, &receive.build().user_data(1));
        ring.submit()?;
        if let Some(data) = data {
            client.write_all(data)?;
        }
        push(&mut ring, &AsyncCancel::new(1).build().user_data(2));
        retry(|| ring.submit_and_wait(2))?;
        let mut completions: Vec<_> = ring.completion().collect();
        completions.sort_by_key(|it| it.user_data());
        println!("client sent: {:?}", data.map(String::from_utf8_lossy));
        println!("  receive: {}", describe(completions[0].result()));
        println!("  cancel:  {}", describe(completions[1].result()));
        println!("  buffer:  {:?}", String::from_utf8_lossy(&buffer[..5]));
        Ok(())
    }
    // ANCHOR_END: cancel

    /// Describes the result of an operation, which is a number of bytes or a negative error code.
    fn describe(result: i32) -> String {
        match u32::try_from(result) {
            Ok(result) => result.to_string(),
            Err(_) => io::Error::from_raw_os_error(-result).to_string(),
        }
    }

    pub fn compare() -> io::Result<()> {
        measure("readiness:", by_readiness)?;
        measure("completion:", by_completion)
    }

    // ANCHOR: readiness
    fn by_readiness(stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        let mut stream = mio::net::TcpStream::from_std(stream);
        let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(1));
        poll.registry().register(&mut stream, Token(0), Interest::READABLE)?;
        let mut byte = [0];
        for _ in 0..ROUNDS {
            retry(|| poll.poll(&mut events, None))?;
            stream.read_exact(&mut byte)?;
            stream.write_all(&byte)?;
        }
        Ok(())
    }
    // ANCHOR_END: readiness

    // ANCHOR: completion
    fn by_completion(stream: TcpStream) -> io::Result<()> {
        let mut ring = IoUring::new(8)?;
        let fd = Fd(stream.as_raw_fd());
        let (received, sent) = (Box::leak(Box::new([0])), Box::leak(Box::new([0])));
        let receive = Recv::new(fd, received.as_mut_ptr(), 1).build();
        push(&mut ring, &receive);
        retry(|| ring.submit_and_wait(1))?;
        for round in 1..=ROUNDS {
            let results: i32 = ring.completion().map(|it| it.result()).sum();
            assert!(results >= 1, "an operation has failed");
            *sent = *received;
            push(&mut ring, &Send::new(fd, sent.as_ptr(), 1).build());
            if round < ROUNDS {
                push(&mut ring, &receive);
            }
            let operations = if round < ROUNDS { 2 } else { 1 };
            retry(|| ring.submit_and_wait(operations))?;
        }
        Ok(())
    }
    // ANCHOR_END: completion

    /// Lets a client send a byte and wait for the reply, and prints the CPU time of the server.
    fn measure(name: &str, serve: fn(TcpStream) -> io::Result<()>) -> io::Result<()> {
        let (mut client, stream) = connect()?;
        client.set_nodelay(true)?;
        stream.set_nodelay(true)?;
        let client = thread::spawn(move || {
            let mut byte = [7];
            for _ in 0..ROUNDS {
                client.write_all(&byte)?;
                client.read_exact(&mut byte)?;
            }
            io::Result::Ok(())
        });
        let before = cpu_ns()?;
        serve(stream)?;
        let ns = (cpu_ns()? - before) / u64::from(ROUNDS);
        client.join().expect("the client does not panic")?;
        println!("{name:<11} {:.1} µs of CPU time per round", ns as f64 / 1e3);
        Ok(())
    }

    /// Returns the CPU time of this thread in nanoseconds.
    fn cpu_ns() -> io::Result<u64> {
        let text = fs::read_to_string("/proc/thread-self/schedstat")?;
        let first = text.split_whitespace().next().and_then(|ns| ns.parse().ok());
        first.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Repeats a wait that a signal has interrupted.
    fn retry<T>(mut wait: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        loop {
            match wait() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn connect() -> io::Result<(TcpStream, TcpStream)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let client = TcpStream::connect(listener.local_addr()?)?;
        Ok((client, listener.accept()?.0))
    }
}
