// The original Node server with its bugs fixed. It sends a file over raw TCP and uses only modules
// that are part of Node. Read this file beside original.mjs. A comment that begins with "Original:"
// describes the behavior of the original server at this point, and the consequence of this
// behavior. This server logs each event as one JSON object per line, like the servers in Rust.
//
//   node repaired.mjs FILE PORT [CHUNK] [bare|http|none]
import { constants } from "node:fs";
import { open, readFile } from "node:fs/promises";
import net from "node:net";
import { basename, extname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const [file, port, chunk = "65536", preamble = "bare"] = process.argv.slice(2);
const chunkBytes = Number(chunk);
const STALL_MS = Number(process.env.STALL_MS ?? 30_000);
const LINGER_MS = Number(process.env.LINGER_MS ?? 5_000);
const GRACE_MS = Number(process.env.GRACE_MS ?? 5_000);
const DATA_INTERVAL_MS = 120;
const LOG_LINES_MAX = 16_384;

const connections = new Set();
let lastId = 0;

// Original: the server calls `net.createServer` without options. By default, Node ends the writable
// side of the socket as soon as the client's FIN arrives. A client that half-closes the connection
// usually receives only ten bytes.
const server = net.createServer({ allowHalfOpen: true }, handleConnection);

function handleConnection(socket) {
    const conn = { id: ++lastId, socket, sent: 0, received: 0, error: undefined };
    connections.add(conn);
    // If the client reset the connection before the server accepted it, the socket has no address.
    const { remoteAddress = "unknown", remotePort = 0 } = socket;
    log("connected", { conn: conn.id, peer: `${remoteAddress}:${remotePort}` });
    drain(conn);

    // Original: the socket also has an "error" listener, but `pipe` does not destroy its source, so
    // the file descriptor remains open. Here, `sendFile` closes the file when the socket is closed.
    socket.on("error", (error) => (conn.error ??= error));
    conn.closed = new Promise((resolve) => socket.on("close", resolve));

    const sending = sendFile(conn).catch((error) => {
        conn.error ??= error;
        // After a FIN, the kernel would keep the unsent data of a stalled client for minutes.
        if (error.kind === "stalled") socket.resetAndDestroy();
        else socket.destroy();
    });
    conn.finished = Promise.all([conn.closed, sending]).then(() => {
        connections.delete(conn);
        if (conn.error) logError(conn.error, conn.id);
        log("disconnected", { conn: conn.id, sent: conn.sent, received: conn.received });
    });
}

// Sends the preamble and the file, and closes the connection. Replaces the original server's
// `write` and `pipe`.
async function sendFile(conn) {
    let opened;
    try {
        opened = await openFile();
    } catch (error) {
        // Original: the stream has no "error" listener, so a missing file ends the process.
        logError(error, conn.id);
        await writeBytes(conn, preambleFor(error));
        return lingeringClose(conn);
    }
    const { handle, bytes } = opened;
    try {
        await writeBytes(conn, preambleFor(undefined, bytes));
        // Original: `pipe` reads ahead. If the file grows, `pipe` also sends the new bytes.
        const buffer = Buffer.alloc(Math.min(chunkBytes, Math.max(bytes, 1)));
        for (let remaining = bytes; remaining > 0 && !conn.socket.destroyed; ) {
            const length = Math.min(remaining, buffer.length);
            const { bytesRead } = await handle.read(buffer, 0, length, null);
            if (bytesRead === 0) throw failure("file_shrank", "the file became shorter");
            await writeBytes(conn, buffer.subarray(0, bytesRead));
            remaining -= bytesRead;
        }
    } finally {
        await handle.close();
    }
    if (conn.socket.destroyed) return;
    // Original: the server logs "File Ended" when Node has read all bytes (the stream's event
    // "end"). The last bytes may still be in a buffer of the socket.
    log("file_ended", { conn: conn.id, bytes });
    await lingeringClose(conn);
}

// Writes bytes and waits until the kernel has accepted all of them. This wait is the backpressure
// that `pipe` provides in the original server.
async function writeBytes(conn, bytes) {
    const { socket } = conn;
    if (bytes.length === 0 || socket.destroyed) return;
    const written = new Promise((resolve, reject) =>
        socket.write(bytes, (error) => {
            if (error) return reject(error);
            // Node reports no error if the socket was closed during the write.
            if (!socket.destroyed) conn.sent += bytes.length;
            resolve();
        }),
    );
    const stall = watchForStall(socket);
    try {
        // If the connection ends during a write, Node may never call the callback, but it emits
        // "close".
        await Promise.race([written, stall.promise, conn.closed]);
    } finally {
        stall.stop();
    }
}

// Returns a promise and a function. The promise is rejected if the client acknowledges no byte
// within the stall timeout. The function stops the timer.
//
// Original: the server has no timeout, so a client that reads nothing stays connected forever. A
// long write does not prove that the client is stalled, because Linux accepts more data only when a
// third of the send buffer is free.
function watchForStall(socket) {
    let timer;
    const promise = new Promise((_, reject) => {
        let previous;
        let changedAt = performance.now();
        timer = setInterval(async () => {
            const current = await unacknowledgedBytes(socket);
            if (current !== previous) [previous, changedAt] = [current, performance.now()];
            else if (performance.now() - changedAt >= STALL_MS) {
                const seconds = STALL_MS / 1000;
                reject(failure("stalled", `the client acknowledged no byte within ${seconds}s`));
            }
        }, STALL_MS / 8);
    });
    return { promise, stop: () => clearInterval(timer) };
}

// Returns the number of bytes that the client has not acknowledged, as a hexadecimal string. Node
// has no function that returns this number, but Linux has a table of all connections. On other
// systems, the result is always undefined, so a write may take at most as long as the stall
// timeout.
async function unacknowledgedBytes({ localPort, remotePort }) {
    const hex = (port) => Number(port).toString(16).toUpperCase().padStart(4, "0");
    const table = await readFile("/proc/net/tcp", "utf8").catch(() => "");
    const line = new RegExp(`:${hex(localPort)} \\w+:${hex(remotePort)} \\w+ (\\w+):`);
    return table.match(line)?.[1];
}

// Sends the FIN and waits for the client's FIN until the linger timeout expires. The linger timeout
// starts when the client has acknowledged everything. Until then, the stall timeout applies. When
// both sides have sent a FIN, Node closes the socket.
async function lingeringClose(conn) {
    const { socket, received } = conn;
    socket.end();
    const stall = watchForStall(socket);
    try {
        await Promise.race([acknowledged(socket), stall.promise, conn.closed]);
    } finally {
        stall.stop();
    }
    const linger = setTimeout(() => {
        // A client that still sends data would wait until the server reads the data. A reset ends
        // this wait.
        if (conn.received > received) socket.resetAndDestroy();
        else socket.destroy();
    }, LINGER_MS);
    await conn.closed;
    clearTimeout(linger);
}

// Waits until the client has acknowledged everything.
async function acknowledged(socket) {
    do {
        await sleep(100);
    } while (!socket.destroyed && parseInt(await unacknowledgedBytes(socket), 16) > 0);
}

// Reads, counts and logs the client's data.
//
// Original: the socket has no "data" listener, so Node never reads from it. A client that uploads
// before it reads waits forever. If data is unread, Node emits neither "end" nor "close".
function drain(conn) {
    let bytes = 0;
    let preview;
    let loggedAt = -Infinity;
    const logData = () => {
        log("data", { conn: conn.id, bytes, preview });
        bytes = 0;
        loggedAt = performance.now();
    };
    conn.socket.on("data", (data) => {
        conn.received += data.length;
        if (bytes === 0) preview = escaped(data);
        bytes += data.length;
        if (performance.now() - loggedAt >= DATA_INTERVAL_MS) logData();
    });
    conn.socket.on("close", () => bytes > 0 && logData());
}

// Opens the file. Returns the file's handle and length. If the file grows, the server does not send
// the new bytes.
async function openFile() {
    // If a named pipe has replaced the file, `open` must not wait for a writer.
    const handle = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const stat = await handle.stat();
    if (stat.isFile()) return { handle, bytes: stat.size };
    await handle.close();
    throw failure("not_a_file", `${file} is not a regular file`);
}

// Returns the bytes before the file, or the complete reply if the file cannot be opened.
function preambleFor(error, bytes = 0) {
    if (preamble === "none") return "";
    if (preamble === "bare") return "HTTP/1.1\n\n";
    const types = { ".webp": "image/webp", ".html": "text/html", ".txt": "text/plain" };
    const type = types[extname(file)] ?? "application/octet-stream";
    const isMissing = error && ["not_found", "not_a_file"].includes(kindOf(error));
    const status = !error ? "200 OK" : isMissing ? "404 Not Found" : "503 Service Unavailable";
    return (
        `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nContent-Length: ${bytes}\r\n` +
        "Connection: close\r\n\r\n"
    );
}

function failure(kind, message) {
    return Object.assign(new Error(message), { kind });
}

function kindOf(error) {
    const kinds = {
        ENOENT: "not_found",
        EACCES: "permission_denied",
        EPERM: "permission_denied",
        EMFILE: "no_descriptors",
        ENFILE: "no_descriptors",
        ECONNRESET: "connection_reset",
        EPIPE: "connection_reset",
    };
    return error.kind ?? kinds[error.code] ?? "io";
}

// Returns a preview of at most 80 characters of printable ASCII. The preview does not end in the
// middle of an escape sequence.
function escaped(data) {
    let preview = "";
    for (const byte of data.subarray(0, 80)) {
        const hex = `\\x${byte.toString(16).padStart(2, "0")}`;
        const named = { 9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 39: "\\'", 92: "\\\\" };
        const next = named[byte] ?? (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : hex);
        if (preview.length + next.length > 80) break;
        preview += next;
    }
    return preview;
}

// Original: the server calls `console.log`. If stdout is a pipe that no program reads,
// `console.log` blocks, and all clients wait. If the pipe is closed, an error ends the process.
// Here, lines wait in a queue of limited length, and only one write is in progress at a time. The
// server counts the lines that do not fit into the queue.
const out = openStdout();
out.on("error", () => {});
let lines = [];
let dropped = 0;
let writing;
function log(event, fields) {
    if (lines.length >= LOG_LINES_MAX) return void dropped++;
    const at_us = Math.round(performance.now() * 1000);
    lines.push(JSON.stringify({ at_us, event, ...fields }));
    writing ??= writeLines();
}

async function writeLines() {
    while (lines.length > 0) {
        const text = `${lines.join("\n")}\n`;
        lines = [];
        await new Promise((resolve) => out.write(text, resolve));
        const events = dropped;
        dropped = 0;
        if (events > 0) log("dropped", { events });
    }
    writing = undefined;
}

function openStdout() {
    try {
        // If stdout is a pipe, process.stdout blocks, but a new socket for the pipe does not block.
        return new net.Socket({ fd: 1, readable: false, writable: true });
    } catch {
        return process.stdout; // Stdout is a file or a terminal.
    }
}

function logError(error, id) {
    log("error", { conn: id, kind: kindOf(error), message: error.message });
}

// Reports why the server cannot start, and exits.
function exitWithError(message) {
    process.stderr.write(`error: ${message}\n`);
    process.exit(2);
}

// Original: the server has no "error" listener, so the process ends with a stack trace if the port
// is in use. A program cannot change Node's behavior when no file descriptor is left. Node's
// library libuv accepts the waiting connections, closes them without sending a byte, and does not
// notify the program of this error.
server.on("error", (error) => {
    if (!server.listening) exitWithError(error.message);
    logError(error);
});

// Original: the server has no signal handler, so SIGTERM ends the process while clients receive the
// file.
for (const signal of ["SIGINT", "SIGTERM"]) {
    process.on(signal, () => {
        if (!server.listening) process.exit(130);
        log("shutdown");
        server.close(async () => {
            // If no program reads the log, the process exits after one second.
            setTimeout(() => process.exit(0), 1_000);
            await Promise.all([...connections].map(({ finished }) => finished));
            await writing;
            process.exit(0);
        });
        setTimeout(() => connections.forEach(({ socket }) => socket.destroy()), GRACE_MS);
    });
}

if (!Number.isInteger(chunkBytes) || chunkBytes < 1) {
    exitWithError(`invalid CHUNK \`${chunk}\`: expected a number of bytes, at least 1`);
}
if (!["bare", "http", "none"].includes(preamble)) {
    exitWithError(`invalid preamble \`${preamble}\`: expected bare, http or none`);
}
// Original: the server does not check the file at startup. If the file is missing, the server fails
// when the first client connects.
const { handle, bytes } = await openFile().catch((error) => exitWithError(error.message));
await handle.close();
// Original: the server calls `listen(port, host)`, so the backlog has the default value, 511
// connections.
server.listen({ port: Number(port), host: "127.0.0.1", backlog: 4096 }, () => {
    const { address, port } = server.address();
    const addr = `${address}:${port}`;
    log("listening", { approach: "node", addr, file: basename(file), bytes });
});
