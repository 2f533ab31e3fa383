// The server in the original note. It uses `pipe` to send a file over raw TCP. The server has the
// bugs of the note, and repaired.mjs contains a fix for each bug. Unlike the code in the note, this
// program takes the file, the port and the chunk size from the command line, and listens only on
// this computer. The comments with ANCHOR mark the parts that lessons quote.
//
//   node original.mjs FILE PORT [CHUNK]
import { createReadStream } from "node:fs";
import net from "node:net";

const [file, port, chunk] = process.argv.slice(2);
// The note contains `highWaterMark: 1` in a line that is commented out. The default chunk size is
// 64 KiB.
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

    // The note has no listener for 'data', so the server never reads the client's data.

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
