// Contains the Node calls of the cheat sheet. The equivalents in Rust are in ../snippets/cheat. The
// program runs a server, a client that receives the whole reply, and a client that resets its
// connection.
//
//   node lessons/node/cheat.mjs
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import net from "node:net";
import { pipeline } from "node:stream/promises";

const file = new URL("../../assets/river.webp", import.meta.url);

// ANCHOR: create_server
const server = net.createServer({ allowHalfOpen: true }, (socket) => serve(socket));
// ANCHOR_END: create_server

async function serve(socket) {
    // ANCHOR: on_data
    socket.on("data", (bytes) => console.log(`data: ${bytes.length} bytes`));
    // ANCHOR_END: on_data
    // ANCHOR: on_end
    socket.on("end", () => console.log("end"));
    // ANCHOR_END: on_end
    // ANCHOR: on_error
    socket.on("error", (error) => console.log(`error: ${error.code}`));
    // ANCHOR_END: on_error
    // ANCHOR: on_close
    socket.on("close", () => console.log("close"));
    // ANCHOR_END: on_close
    // If the client resets the connection, Node does not emit "end", and `once` rejects its
    // promise.
    await once(socket, "end").then(() => reply(socket), () => {});
}

// Sends the file three times, each time with different calls.
async function reply(socket) {
    // ANCHOR: create_read_stream
    const stream = createReadStream(file);
    // ANCHOR_END: create_read_stream
    // ANCHOR: pipe
    stream.pipe(socket, { end: false });
    // ANCHOR_END: pipe
    await once(stream, "end");
    await sendChunks(socket);
    // ANCHOR: pipeline
    await pipeline(createReadStream(file), socket);
    // ANCHOR_END: pipeline
}

async function sendChunks(socket) {
    // ANCHOR: high_water_mark
    const stream = createReadStream(file, { highWaterMark: 64 * 1024 });
    // ANCHOR_END: high_water_mark
    // ANCHOR: backpressure
    for await (const chunk of stream) {
        if (!socket.write(chunk)) await once(socket, "drain");
    }
    // ANCHOR_END: backpressure
}

// ANCHOR: listen
server.listen(0, "127.0.0.1");
// ANCHOR_END: listen
await once(server, "listening");
const { port } = server.address();

const client = net.connect(port, "127.0.0.1");
client.end("hello");
const received = Buffer.concat(await client.toArray());
const bytes = await readFile(file);
const expected = Buffer.concat([bytes, bytes, bytes]);
if (!received.equals(expected)) {
    throw new Error(`expected ${expected.length} bytes of the file, got ${received.length}`);
}

const resetting = net.connect(port, "127.0.0.1");
const [socket] = await once(server, "connection");
resetting.resetAndDestroy();
await new Promise((resolve) => socket.on("close", resolve));

// ANCHOR: uncaught
process.on("uncaughtException", () => {
    console.log("one uncaught exception ends the whole process");
    process.exit(1);
});
// ANCHOR_END: uncaught
setImmediate(() => {
    throw new Error("a bug");
});
