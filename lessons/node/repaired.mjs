// The server of the note, repaired: the same file over raw TCP, by Node's own means. To be read
// beside original.mjs; a comment that begins with "was:" tells what stood there, and what came of
// it. It tells what happens as one JSON object a line, as its Rust siblings do.
//
//   node repaired.mjs FILE PORT [CHUNK] [bare|http|none]
import { constants } from "node:fs";
import { open, readFile } from "node:fs/promises";
import net from "node:net";
import { basename, extname } from "node:path";

const [file, port, chunk = "65536", preamble = "bare"] = process.argv.slice(2);
const chunkBytes = Number(chunk);
const STALL_MS = Number(process.env.STALL_MS ?? 30_000);
const LINGER_MS = Number(process.env.LINGER_MS ?? 5_000);
const GRACE_MS = Number(process.env.GRACE_MS ?? 5_000);
const DATA_INTERVAL_MS = 120;
const LOG_LINES_MAX = 16_384;

const clients = new Set();
let connections = 0;

// was: net.createServer((socket) => …). By itself Node ends our side when the client ends its own:
// who half-closed got ten bytes.
const server = net.createServer({ allowHalfOpen: true }, serveClient);

function serveClient(socket) {
    const client = { conn: ++connections, socket, sent: 0, received: 0, error: undefined };
    clients.add(client);
    // Who was reset before it was accepted has no address any more, and Node kept none.
    const { remoteAddress = "unknown", remotePort = 0 } = socket;
    tell("connected", { conn: client.conn, peer: `${remoteAddress}:${remotePort}` });
    hearClient(client);

    // was: the same listener, but the file's stream stayed open, and its descriptor was lost:
    // `pipe` does not destroy its source. Here `sendFile` ends as soon as the socket is closed.
    socket.on("error", (error) => (client.error ??= error));
    client.closed = new Promise((resolve) => socket.on("close", resolve));

    const sending = sendFile(client).catch((error) => {
        client.error ??= error;
        // The kernel would keep for minutes what a stalled client never took.
        if (error.kind === "stalled") socket.resetAndDestroy();
        else socket.destroy();
    });
    client.ended = Promise.all([client.closed, sending]).then(() => {
        clients.delete(client);
        if (client.error) tellError(client.error, client.conn);
        const { conn, sent, received } = client;
        tell("disconnected", { conn, sent, received });
    });
}

// Preamble, file, end: what `write` and `pipe` did.
async function sendFile(client) {
    const { conn, socket } = client;
    let opened;
    try {
        opened = await openFile();
    } catch (error) {
        // was: no 'error' listener on the stream, so a file that vanished killed the process.
        tellError(error, conn);
        await write(client, head(error));
        return endReply(client);
    }
    const { handle, bytes } = opened;
    try {
        await write(client, head(undefined, bytes));
        // was: pipe(socket). It sends what the file holds by then, not what it held when it was
        // opened, and it reads ahead.
        const buffer = Buffer.alloc(Math.min(chunkBytes, Math.max(bytes, 1)));
        for (let left = bytes; left > 0 && !socket.destroyed; ) {
            const { bytesRead } = await handle.read(buffer, 0, Math.min(left, buffer.length), null);
            if (bytesRead === 0) throw failure("file_shrank", "the file became shorter");
            await write(client, buffer.subarray(0, bytesRead));
            left -= bytesRead;
        }
    } finally {
        await handle.close();
    }
    if (socket.destroyed) return;
    // was: at the stream's 'end', which is when all is read; the last bytes may still wait in the
    // socket.
    tell("file_ended", { conn, bytes });
    await endReply(client);
}

// Writes, and waits until the kernel has it all: that wait is the backpressure that `pipe` gave.
async function write(client, bytes) {
    const { socket } = client;
    if (bytes.length === 0 || socket.destroyed) return;
    const written = new Promise((resolve, reject) =>
        socket.write(bytes, (error) => {
            if (error) return reject(error);
            // Node says no error either when the socket was closed under the write.
            if (!socket.destroyed) client.sent += bytes.length;
            resolve();
        }),
    );
    const stall = watchForStall(socket);
    try {
        // The callback of a write that is cut off may never come, but 'close' does.
        await Promise.race([written, stall.promise, client.closed]);
    } finally {
        stall.stop();
    }
}

// was: nothing, so a client that takes no byte was kept for ever. That a write waits long says
// little: the kernel asks for more only when a third of its buffer is free.
function watchForStall(socket) {
    let timer;
    const promise = new Promise((_, reject) => {
        let seen;
        let changedAt = performance.now();
        timer = setInterval(async () => {
            const now = await unacknowledged(socket);
            if (now !== seen) [seen, changedAt] = [now, performance.now()];
            else if (performance.now() - changedAt >= STALL_MS) {
                reject(failure("stalled", "the client took no byte within the stall timeout"));
            }
        }, STALL_MS / 8);
    });
    return { promise, stop: () => clearInterval(timer) };
}

// How many bytes the client has not acknowledged. Node cannot ask; Linux tells it in a table of all
// connections. Elsewhere it stays undefined, and one write may take as long as the stall timeout.
async function unacknowledged({ localPort, remotePort }) {
    const hex = (port) => Number(port).toString(16).toUpperCase().padStart(4, "0");
    const table = await readFile("/proc/net/tcp", "utf8").catch(() => "");
    const line = new RegExp(`:${hex(localPort)} \\w+:${hex(remotePort)} \\w+ (\\w+):`);
    return table.match(line)?.[1];
}

// Our FIN, then the client's, which may take only so long.
async function endReply(client) {
    const { socket, received } = client;
    socket.end();
    const linger = setTimeout(() => {
        // Who still talks would wait for room to say more: a RST tells that nobody listens.
        if (client.received > received) socket.resetAndDestroy();
        else socket.destroy();
    }, LINGER_MS);
    await client.closed;
    clearTimeout(linger);
}

// was: no 'data' listener. Nobody read what the client sent: who uploads first waited for ever, and
// 'end' and 'close' never came. To listen is to drain.
function hearClient(client) {
    const { conn, socket } = client;
    let bytes = 0;
    let preview;
    let toldAt = -Infinity;
    const report = () => {
        tell("data", { conn, bytes, preview });
        bytes = 0;
        toldAt = performance.now();
    };
    socket.on("data", (data) => {
        client.received += data.length;
        if (bytes === 0) preview = escaped(data);
        bytes += data.length;
        if (performance.now() - toldAt >= DATA_INTERVAL_MS) report();
    });
    socket.on("close", () => bytes > 0 && report());
}

// The file, opened anew, and its length, which holds from now on.
async function openFile() {
    // Should a named pipe stand where the file was, opening it must not wait for a writer.
    const handle = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const stat = await handle.stat();
    if (stat.isFile()) return { handle, bytes: stat.size };
    await handle.close();
    throw failure("not_a_file", `${file} is not a regular file`);
}

// What goes before the file, or stands for it.
function head(error, bytes = 0) {
    if (preamble === "none") return "";
    if (preamble === "bare") return "HTTP/1.1\n\n";
    const types = { ".webp": "image/webp", ".html": "text/html", ".txt": "text/plain" };
    const type = types[extname(file)] ?? "application/octet-stream";
    const isGone = error && ["not_found", "not_a_file"].includes(kindOf(error));
    const status = !error ? "200 OK" : isGone ? "404 Not Found" : "503 Service Unavailable";
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

// At most 80 characters, all printable ASCII, and no half escapes.
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

// was: console.log. To a pipe it waits for whoever reads, and all clients wait with it; and when
// the pipe is closed, its error kills the process. Here lines queue up, one write is under way at a
// time, and what does not fit is counted.
const out = openStdout();
out.on("error", () => {});
let lines = [];
let dropped = 0;
let writing;
function tell(event, fields) {
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
        if (events > 0) tell("dropped", { events });
    }
    writing = undefined;
}

function openStdout() {
    try {
        // A socket of its own never blocks, where process.stdout does: on pipes.
        return new net.Socket({ fd: 1, readable: false, writable: true });
    } catch {
        return process.stdout; // a file or a terminal
    }
}

function tellError(error, conn) {
    tell("error", { conn, kind: kindOf(error), message: error.message });
}

// One line, and the exit code of a server that could not start.
function refuse(message) {
    process.stderr.write(`repaired: ${message}\n`);
    process.exit(2);
}

// was: no listener, so a port in use was a stack trace. What Node cannot mend: when no descriptor
// is left, libuv closes whoever waits to be accepted, without a byte and without telling us.
server.on("error", (error) => {
    if (!server.listening) refuse(error.message);
    tellError(error);
});

// was: nothing. SIGTERM cut everybody off in the middle.
for (const signal of ["SIGINT", "SIGTERM"]) {
    process.on(signal, () => {
        if (!server.listening) process.exit(130);
        tell("shutdown");
        server.close(async () => {
            // A log that nobody reads gets one second more.
            setTimeout(() => process.exit(0), 1_000);
            await Promise.all([...clients].map(({ ended }) => ended));
            await writing;
            process.exit(0);
        });
        setTimeout(() => clients.forEach(({ socket }) => socket.destroy()), GRACE_MS);
    });
}

if (!Number.isInteger(chunkBytes) || chunkBytes < 1) refuse("CHUNK is in bytes, at least 1");
if (!["bare", "http", "none"].includes(preamble)) refuse("the preamble is bare, http or none");
// was: no such check. If the file is missing, the original server fails when the first client
// connects.
const { handle, bytes } = await openFile().catch((error) => refuse(error.message));
await handle.close();
// was: listen(port, host), which lets 511 connections wait to be accepted.
server.listen({ port: Number(port), host: "127.0.0.1", backlog: 4096 }, () => {
    const { address, port } = server.address();
    const addr = `${address}:${port}`;
    tell("listening", { approach: "node", addr, file: basename(file), bytes });
});
