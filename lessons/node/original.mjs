// The server of the note, as it was written: a file over raw TCP, by `pipe`. Its bugs are its own
// and stay in; repaired.mjs, beside it, shows what each needs. New here is only that file, port and
// chunk size come from the command line, and that it listens on this machine alone.
//
//   node original.mjs FILE PORT [CHUNK]
import { createReadStream } from "node:fs";
import net from "node:net";

const [file, port, chunk] = process.argv.slice(2);
// The note had `highWaterMark: 1` in a line that was commented out; by itself it is 64 KiB.
const options = chunk === undefined ? undefined : { highWaterMark: Number(chunk) };

let server = net.createServer((socket) => {
    console.log('I resently made a connection', socket.remotePort);
    socket.write('HTTP/1.1\n\n')

    let readStream = createReadStream(file, options)
    readStream.pipe(socket)

    readStream.on('end',()=>{
        console.log('File Ended');
    })

    // There is no listener for 'data' here: what the client sends is never read.

    socket.on('close', (data) => {
        console.log('Client Disconnected', socket.remoteAddress);
    })

    socket.on('error', (data) => {
        console.log('Disconnected');
    })

})

server.listen(Number(port), "127.0.0.1");
