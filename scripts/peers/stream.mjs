// The lesson's second program: pipe a read stream into the response.
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';

const [file, port] = process.argv.slice(2);

createServer((req, res) => {
  const { size } = statSync(file);
  res.writeHead(200, { 'Content-Type': 'video/mp4', 'Content-Length': size });
  const stream = createReadStream(file);
  // A viewer that leaves must not leave the file open.
  res.on('close', () => stream.destroy());
  stream.pipe(res);
}).listen(Number(port), '127.0.0.1');
