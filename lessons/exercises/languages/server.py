"""A server in Python that is a correct answer to the exercises that accept `--cmd`.

    python3 server.py FILE PORT [OPTION=VALUE]...

The options are chunk (bytes), preamble (bare or http), limit (connections), workers (threads), and
stall, linger and grace (seconds). With `workers`, the server uses a pool of threads. With
`sendfile=yes`, the kernel sends the file.
"""

import contextlib
import math
import os
import select
import signal
import socket
import stat
import struct
import sys
import threading
import time

FILE, PORT, *WORDS = sys.argv[1:]
OPTIONS = dict(word.split("=") for word in WORDS)
CHUNK = int(OPTIONS.get("chunk", 65536))
STALL, LINGER, GRACE = (
    float(OPTIONS.get(name, default))
    for name, default in [("stall", math.inf), ("linger", 5), ("grace", 5)]
)
# Closing a socket with this value of SO_LINGER resets the connection.
RESET = struct.pack("ii", 1, 0)

permits = threading.Semaphore(int(OPTIONS.get("limit", sys.maxsize)))
disk = threading.Lock()
connections = set()
connection_ended = threading.Condition()
stopping = threading.Event()


def main():
    # The main thread waits for the signals, so all other threads must block them.
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    listener = socket.create_server(("127.0.0.1", int(PORT)), backlog=1024)
    if "workers" in OPTIONS:
        for _ in range(int(OPTIONS["workers"])):
            start(accept_clients, listener, serve)
    else:
        start(accept_clients, listener, lambda *client: start(serve, *client))
    signal.sigwait(signals)
    stopping.set()
    # On Linux, `close` alone does not interrupt a thread that waits in `accept`.
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    start(exit_at_next_signal, signals)
    with connection_ended:
        connection_ended.wait_for(lambda: not connections, timeout=GRACE)
    os._exit(0)


def start(function, *arguments):
    threading.Thread(target=function, args=arguments, daemon=True).start()


def exit_at_next_signal(signals):
    signal.sigwait(signals)
    os._exit(130)


def accept_clients(listener, handle):
    while not stopping.is_set():
        permits.acquire()
        try:
            handle(*listener.accept())
        except (OSError, RuntimeError) as error:
            permits.release()
            if not stopping.is_set():
                log(f"cannot accept a client: {error}")
                # If no file descriptor is left, `accept` fails immediately, so wait a moment.
                time.sleep(0.1)


def serve(sock, address):
    connections.add(sock)
    try:
        with sock:
            if "sendfile" in OPTIONS:
                send_with_sendfile(sock)
            else:
                send_and_drain(sock)
    except OSError as error:
        log(f"{address}: {error}")
    with connection_ended:
        connections.remove(sock)
        connection_ended.notify()
    permits.release()


def send_and_drain(sock):
    """Sends the reply, and reads and discards what the client sends. Uses only one thread."""
    sock.setblocking(False)
    if STALL < math.inf:
        # The kernel reports that a socket is writable only when a large part of its send buffer is
        # free. A small buffer lets the server notice soon that a slow client reads.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    poller = select.poll()
    with contextlib.closing(reply()) as chunks:
        data = next(chunks)
        deadline = time.monotonic() + STALL
        is_reading = True
        while data or is_reading:
            wanted = (select.POLLIN if is_reading else 0) | (select.POLLOUT if data else 0)
            poller.register(sock, wanted)
            remaining = max(deadline - time.monotonic(), 0)
            events = poller.poll(None if remaining == math.inf else math.ceil(remaining * 1000))
            if time.monotonic() >= deadline:
                if not data:
                    return
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                raise TimeoutError("the client is stalled")
            ready = events[0][1] if events else 0
            if is_reading and ready & ~select.POLLOUT:
                is_reading = sock.recv(65536) != b""
            if data and ready & ~select.POLLIN:
                data = data[sock.send(data) :] or next(chunks, b"")
                deadline = time.monotonic() + STALL
                if not data:
                    sock.shutdown(socket.SHUT_WR)
                    deadline = time.monotonic() + LINGER


def send_with_sendfile(sock):
    """Sends the reply with blocking calls, and reads from the client in a second thread."""
    reader = threading.Thread(target=drain, args=[sock], daemon=True)
    reader.start()
    try:
        with open_file() as (head, file, remaining):
            sock.sendall(head)
            while remaining > 0:
                sent = os.sendfile(sock.fileno(), file.fileno(), None, remaining)
                if sent == 0:
                    raise OSError("the file became shorter")
                remaining -= sent
        sock.shutdown(socket.SHUT_WR)
        reader.join(LINGER)
    finally:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        reader.join()


def drain(sock):
    with contextlib.suppress(OSError):
        while sock.recv(65536):
            pass


def reply():
    """Yields the header and then the chunks of the file."""
    with open_file() as (head, file, remaining):
        yield memoryview(head)
        while remaining > 0:
            with disk:
                data = file.read(min(CHUNK, remaining))
            if not data:
                raise OSError("the file became shorter")
            yield memoryview(data)
            remaining -= len(data)


@contextlib.contextmanager
def open_file():
    """Opens the file. Returns the header, the file, and the number of bytes to send."""
    try:
        file = open(FILE, "rb", buffering=0)
    except OSError as error:
        log(error)
        yield header("404 Not Found", 0), None, 0
        return
    with file:
        status = os.fstat(file.fileno())
        # A FIFO has no length.
        remaining = status.st_size if stat.S_ISREG(status.st_mode) else sys.maxsize
        yield header("200 OK", remaining), file, remaining


def header(status, length):
    if OPTIONS.get("preamble", "bare") == "bare":
        return b"HTTP/1.1\n\n"
    lines = [
        f"HTTP/1.1 {status}",
        "Content-Type: application/octet-stream",
        f"Content-Length: {length}",
        "Connection: close",
        "\r\n",
    ]
    return "\r\n".join(lines).encode()


def log(message):
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
