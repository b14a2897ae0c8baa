// An HTTP endpoint that unpacks uploaded layers:
//   node examples/upload-server.mjs uploads &
//   curl --data-binary @fixtures/layer.tar.gz http://127.0.0.1:8080/base
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { OverlayerError, unpackLayer } from 'overlayer/layer';

const [directory = 'uploads', port = '8080'] = process.argv.slice(2);
/** @type {Partial<Record<import('overlayer/layer').ErrorCode, number>>} */
const STATUS = { InvalidArgument: 400, DataLoss: 400, ResourceExhausted: 413, FailedPrecondition: 409 };
await mkdir(directory, { recursive: true });

const server = createServer(async (request, response) => {
  const name = request.url?.slice(1) ?? '';
  if (!/^[a-z0-9-]+$/.test(name)) return response.writeHead(404).end();
  try {
    const { diffID, entries } = await unpackLayer(request, join(directory, name), {
      rootless: true, // the uploader must not create devices or files of other owners
      limits: { maxBytes: 1024 ** 3, maxEntries: 100_000 },
      signal: AbortSignal.timeout(60_000),
      unreadSource: 'leave', // so that the request can still be answered
    });
    response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify({ diffID, entries }));
  } catch (error) {
    const [status, message] = OverlayerError.is(error)
      ? [STATUS[error.code] ?? 500, error.message]
      : [503, 'too slow'];
    response.writeHead(status, { 'content-type': 'text/plain', connection: 'close' }).end(`${message}\n`);
    request.resume();
  }
});
server.listen(Number(port), '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object') console.log(`http://127.0.0.1:${address?.port}`);
});
process.once('SIGTERM', () => server.close());
