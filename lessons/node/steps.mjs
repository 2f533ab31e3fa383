// Sends the same picture to Node's `fetch` several times, each time after a different preamble:
// from ten bytes to a correct header. Prints the result of each `fetch`.
//
//   node lessons/node/steps.mjs
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import net from "node:net";

const picture = await readFile(new URL("../../assets/river.webp", import.meta.url));
const { length } = picture;

// ANCHOR: steps
const steps = [
    "HTTP/1.1\n\n",
    "HTTP/1.1 200\n\n",
    "HTTP/1.1 200 OK\r\n\r\n",
    `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`,
    `HTTP/1.1 200 OK\r\nContent-Length: ${length + 1}\r\n\r\n`,
    `HTTP/1.1 200 OK\r\nContent-Length: ${length - 1}\r\n\r\n`,
    `HTTP/1.1 200 OK\r\nContent-Type: image/webp\r\nContent-Length: ${length}\r\n\r\n`,
];
// ANCHOR_END: steps

for (const preamble of steps) {
    console.log(JSON.stringify(preamble));
    console.log(`    ${await fetchAfter(preamble)}`);
}

// Serves the picture after a preamble. Returns a description of the result of `fetch`.
async function fetchAfter(preamble) {
    // ANCHOR: serve
    const server = net.createServer((socket) => {
        socket.resume();
        socket.on("error", () => {});
        socket.write(preamble);
        socket.end(picture);
    });
    // ANCHOR_END: serve
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    let result = "refused";
    try {
        const response = await fetch(`http://127.0.0.1:${server.address().port}/`);
        result = `${response.status}, ${response.headers.get("content-type") ?? "no type"}`;
        const body = Buffer.from(await response.arrayBuffer());
        const isWhole = body.equals(picture);
        return `${result}, ${isWhole ? "the whole picture" : `${body.length} bytes of ${length}`}`;
    } catch (error) {
        return `${result}: ${error.cause.code} (${error.cause.message})`;
    } finally {
        server.close();
    }
}
