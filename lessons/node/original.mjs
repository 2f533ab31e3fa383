// The server of the note, as it was written: a file over raw TCP, by `pipe`. Its bugs are its own
// and stay in; repaired.mjs, beside it, shows what each needs. New here is only that file, port and
// chunk size come from the command line, that it listens on this machine alone, and the marks by
// which lessons quote it.
//
//   node original.mjs FILE PORT [CHUNK]
import { createReadStream } from "node:fs";
import net from "node:net";

const [file, port, chunk] = process.argv.slice(2);
// The note had `highWaterMark: 1` in a line that was commented out; by itself it is 64 KiB.
const options = chunk === undefined ? undefined : { highWaterMark: Number(chunk) };

// ANCHOR: connect
let server = net.createServer((socket) => {
    console.log('I resently made a connection', socket.remotePort);
    // ANCHOR_END: connect
    // ANCHOR: preamble
    socket.write('HTTP/1.1\n\n')
    // ANCHOR_END: preamble

    // ANCHOR: pipe
    let readStream = createReadStream(file, options)
    readStream.pipe(socket)
    // ANCHOR_END: pipe

    // ANCHOR: end
    readStream.on('end',()=>{
        console.log('File Ended');
    })
    // ANCHOR_END: end

    // There is no listener for 'data' here: what the client sends is never read.

    // ANCHOR: events
    socket.on('close', (data) => {
        console.log('Client Disconnected', socket.remoteAddress);
    })

    socket.on('error', (data) => {
        console.log('Disconnected');
    })
    // ANCHOR_END: events

})

// ANCHOR: listen
server.listen(Number(port), "127.0.0.1");
// ANCHOR_END: listen
