// Sends a file in three ways to a client that does not read. For each way, prints how many bytes of
// the file the program has read, and how many of these bytes wait in Node and in the kernel.
//
//   node lessons/node/backpressure.mjs FILE
import { once } from "node:events";
import { createReadStream } from "node:fs";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const [file] = process.argv.slice(2);

// ANCHOR: ways
async function ignoring(source, socket) {
    for await (const chunk of source) socket.write(chunk);
}

async function waiting(source, socket) {
    for await (const chunk of source) {
        if (!socket.write(chunk)) await once(socket, "drain");
    }
}

function piped(source, socket) {
    source.pipe(socket);
}
// ANCHOR_END: ways

for (const way of [ignoring, waiting, piped]) {
    const server = net.createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = net.connect(server.address().port, "127.0.0.1").pause();
    const [socket] = await once(server, "connection");
    socket.on("error", () => {});
    const source = createReadStream(file);
    Promise.resolve(way(source, socket)).catch(() => {});
    // ANCHOR: counts
    await sleep(1000); // The client reads nothing.
    const read = source.bytesRead;
    const inNode = source.readableLength + socket.writableLength;
    const inKernel = read - inNode;
    // ANCHOR_END: counts
    const padded = (bytes) => bytes.toLocaleString("en").padStart(10);
    const buffered = `in Node ${padded(inNode)}  in the kernel ${padded(inKernel)}`;
    console.log(`${way.name.padEnd(9)}  read ${padded(read)}  ${buffered}`);
    source.destroy();
    socket.destroy();
    client.destroy();
    server.close();
}
