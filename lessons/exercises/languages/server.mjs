// A server in Node that is a correct answer to the exercises that accept `--cmd`.
//
//   node server.mjs FILE PORT [OPTION=VALUE]...
//
// The options are chunk (bytes), preamble (bare or http), limit (connections), and stall, linger
// and grace (seconds).
import { closeSync, fstatSync, openSync, read, readFileSync } from "node:fs";
import net from "node:net";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";

const [file, port, ...words] = process.argv.slice(2);
const options = Object.fromEntries(words.map((word) => word.split("=")));
const { chunk = 65536, preamble = "bare", limit = Infinity } = options;
const { stall = Infinity, linger = 5, grace = 5 } = options;

const served = new Set();
const waiting = [];
let disk = Promise.resolve();

// By default, Node ends the connection as soon as the client's FIN arrives.
const server = net.createServer({ allowHalfOpen: true }, admit);
server.listen({ port: Number(port), host: "127.0.0.1", backlog: 1024 });

// Node cannot leave a client in the accept queue. At the connection limit, the server accepts a
// client, but neither reads from it nor writes to it until another client has disconnected.
async function admit(socket) {
    socket.on("error", () => {}); // `serve` also gets this error.
    if (served.size >= Number(limit)) return waiting.push(socket);
    served.add(socket);
    await serve(socket).catch((error) => {
        logError(error);
        socket.destroy();
    });
    served.delete(socket);
    if (waiting.length > 0) admit(waiting.shift());
}

async function serve(socket) {
    const closed = new Promise((resolve) => socket.on("close", resolve));
    let received = 0;
    socket.on("data", (data) => (received += data.length));
    const stallTimer = Number(stall) < Infinity && resetIfStalled(socket);
    try {
        // `pipeline` waits while the client does not read. At the end, `pipeline` sends the FIN.
        await pipeline(reply, socket);
    } finally {
        clearInterval(stallTimer);
    }
    const before = received;
    const lingerTimer = setTimeout(() => {
        // A reset stops a client that still sends data.
        if (received > before) socket.resetAndDestroy();
        else socket.destroy();
    }, linger * 1000);
    await closed;
    clearTimeout(lingerTimer);
}

async function* reply() {
    let descriptor;
    try {
        descriptor = openFile();
    } catch (error) {
        logError(error);
        return yield header("404 Not Found", 0);
    }
    try {
        const stat = fstatSync(descriptor);
        yield header("200 OK", stat.size);
        // A FIFO has no length.
        yield* content(descriptor, stat.isFile() ? stat.size : Infinity);
    } finally {
        closeSync(descriptor);
    }
}

// Opens the file without another thread. If no descriptor is left, Node closes a spare descriptor
// to accept a client. If another thread takes this descriptor, Node accepts in a busy loop.
function openFile() {
    const descriptor = openSync(file);
    if (!fstatSync(descriptor).isDirectory()) return descriptor;
    closeSync(descriptor);
    throw new Error(`\`${file}\` is a directory`);
}

async function* content(descriptor, bytes) {
    for (let remaining = bytes; remaining > 0; ) {
        const length = Math.min(remaining, Number(chunk));
        const { bytesRead, buffer } = await readAlone(descriptor, Buffer.allocUnsafe(length));
        if (bytesRead === 0) throw new Error("the file became shorter");
        yield buffer.subarray(0, bytesRead);
        remaining -= bytesRead;
    }
}

// Reads from the file when all earlier reads have ended. Node would otherwise use several threads.
function readAlone(descriptor, buffer) {
    const result = disk.then(() => promisify(read)(descriptor, buffer, 0, buffer.length, null));
    disk = result.catch(() => {});
    return result;
}

function header(status, bytes) {
    if (preamble === "bare") return "HTTP/1.1\n\n";
    const type = "Content-Type: application/octet-stream";
    return `HTTP/1.1 ${status}\r\n${type}\r\nContent-Length: ${bytes}\r\nConnection: close\r\n\r\n`;
}

// Resets the connection if the client acknowledges no byte within the stall timeout. A long write
// does not prove that a client is stalled, because the kernel accepts more data only when a large
// part of the send buffer is free.
function resetIfStalled(socket) {
    let previous;
    let changedAt = performance.now();
    return setInterval(() => {
        const current = unacknowledgedBytes(socket);
        if (current !== previous) [previous, changedAt] = [current, performance.now()];
        else if (performance.now() - changedAt >= stall * 1000) socket.resetAndDestroy();
    }, stall * 125);
}

// Returns the number of bytes that the client has not acknowledged, as a hexadecimal string. Node
// has no function that returns this number, but Linux has a table of all connections.
function unacknowledgedBytes({ localPort, remotePort }) {
    const hex = (port) => Number(port).toString(16).toUpperCase().padStart(4, "0");
    const table = readFileSync("/proc/net/tcp", "utf8");
    const line = new RegExp(`:${hex(localPort)} \\w+:${hex(remotePort)} \\w+ (\\w+):`);
    return table.match(line)?.[1];
}

function logError(error) {
    console.error(error.message);
}

function shutDown() {
    if (!server.listening) process.exit(130);
    waiting.splice(0).forEach((socket) => socket.resetAndDestroy());
    // `close` calls its callback when the last connection has ended.
    server.close(() => process.exit(0));
    setTimeout(() => process.exit(0), grace * 1000);
}
process.on("SIGINT", shutDown);
process.on("SIGTERM", shutDown);
