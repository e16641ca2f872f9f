// What heapserve's stream mode corresponds to: pipe a read stream into the response.
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';

const [file, port] = process.argv.slice(2);

const server = createServer((req, res) => {
  const { size } = statSync(file);
  res.writeHead(200, { 'Content-Type': 'video/mp4', 'Content-Length': size });
  const stream = createReadStream(file);
  // Otherwise the file stays open when a viewer leaves early.
  res.on('close', () => stream.destroy());
  stream.pipe(res);
});
server.listen(Number(port), '127.0.0.1', () => {
  console.log(`node: stream http://127.0.0.1:${server.address().port}/`);
});
