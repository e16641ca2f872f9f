// What heapserve's buffer mode corresponds to: read the whole file into one variable, and send that.
import { readFile } from 'node:fs';
import { createServer } from 'node:http';

const [file, port] = process.argv.slice(2);

const server = createServer((req, res) => {
  readFile(file, (err, data) => {
    if (err) return res.writeHead(500).end(err.message);
    res.writeHead(200, { 'Content-Type': 'video/mp4', 'Content-Length': data.length });
    res.end(data);
  });
});
server.listen(Number(port), '127.0.0.1', () => {
  console.log(`node: buffer http://127.0.0.1:${server.address().port}/`);
});
