// From ten bytes to a true header, one step after the other: each is served to Node's own `fetch`,
// before the same picture, and what fetch makes of it is printed.
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
    console.log(`    ${await served(preamble)}`);
}

// What fetch says of this preamble, and of the picture behind it.
async function served(preamble) {
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
    let soFar = "refused";
    try {
        const response = await fetch(`http://127.0.0.1:${server.address().port}/`);
        soFar = `${response.status}, ${response.headers.get("content-type") ?? "no type"}`;
        const got = Buffer.from(await response.arrayBuffer());
        const isWhole = got.equals(picture);
        return `${soFar}, ${isWhole ? "the whole picture" : `${got.length} bytes of ${length}`}`;
    } catch (error) {
        return `${soFar}: ${error.cause.code} (${error.cause.message})`;
    } finally {
        server.close();
    }
}
