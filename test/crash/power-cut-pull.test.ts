import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MEDIA_TYPE } from '../../src/oci/media-types.js';
import { describe } from '../helpers/hand-made-image.js';
import { MountNamespace } from '../helpers/mount-namespace.js';
import { file, tar } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { TIMEOUT } from './runs.js';

// As in power-cut.test.ts: the disk is copied in one instant, while a pull waits for the rest of a layer. The next start of
// the machine has another boot ID.

const MIB = 1024 ** 2;
const FLUSHED = 64 * MIB;
const CLI = fileURLToPath(new URL('../../dist/cli/main.cjs', import.meta.url));

const directory = makeWorkDirectory();
const at = (...names: string[]) => join(directory, ...names);
const layer = tar(
  file(
    'large',
    randomBytes(MIB)
      .toString('latin1')
      .repeat(40)
      .slice(0, 40 * MIB),
  ),
  file('more', Buffer.alloc(32 * MIB, 'more')),
);
let namespace: MountNamespace;
let server: Server;
/** The ranges of the requests for the layer. */
const ranges: (string | undefined)[] = [];

beforeAll(async () => {
  server = serveImage();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  for (const name of ['images', 'mounted', 'cut']) mkdirSync(at(name));
  writeFileSync(at('boot-id'), '00000000-0000-0000-0000-000000000000\n');
  namespace = await MountNamespace.start('root');
  await namespace.run(
    `truncate -s 1G ${at('xfs')} && mkfs.xfs -q ${at('xfs')} && mount -o loop ${at('xfs')} ${at('images')}`,
  );
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await namespace.close();
  rmSync(directory, { recursive: true });
});

/** The first response for the layer stops behind what is flushed. */
function serveImage(): Server {
  const config = Buffer.from(
    JSON.stringify({
      ...{ architecture: 'amd64', os: 'linux' },
      rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(layer).digest('hex')}`] },
    }),
  );
  const described = describe(MEDIA_TYPE.layer, layer);
  const manifest = Buffer.from(
    JSON.stringify({
      ...{ schemaVersion: 2, mediaType: MEDIA_TYPE.manifest },
      ...{ config: describe(MEDIA_TYPE.config, config), layers: [described] },
    }),
  );
  return createServer(({ url = '', method, headers }, response) => {
    if (!url.endsWith(described.digest))
      return void response.end(url.includes('manifests') && method === 'GET' ? manifest : config);
    ranges.push(headers.range);
    const start = Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
    const rest = layer.subarray(start);
    const total = layer.length;
    response.writeHead(start === 0 ? 200 : 206, {
      'content-length': rest.length,
      ...(start === 0 ? {} : { 'content-range': `bytes ${start}-${total - 1}/${total}` }),
    });
    if (ranges.length === 1) response.write(rest.subarray(0, FLUSHED + 2 * MIB));
    else response.end(rest);
  });
}

/** A command that pulls the image into a store. */
function pull(root: string): string {
  const { port } = server.address() as AddressInfo;
  const image = `127.0.0.1:${port}/some/image:1`;
  return `'${process.execPath}' '${CLI}' pull --root '${root}' --connections 1 --platform linux/amd64 --progress none ${image}`;
}

test(
  'after a power cut, a pull continues behind what was flushed',
  async () => {
    const [disk, cut] = [at('images/disk'), at('images/cut')];
    await namespace.run(
      `truncate -s 400M ${disk} && mkfs.ext4 -q ${disk} && mount -o loop ${disk} ${at('mounted')}`,
    );
    const store = at('mounted/store');
    const pid = Number(await namespace.run(`${pull(store)} >${at('output')} 2>&1 & echo $!`));
    const note = `cat ${store}/content/*/*/flushed || true`;
    const flushed = async () => Number(/ (\d+)$/.exec(await namespace.run(note))?.[1]);
    while (!((await flushed()) >= FLUSHED)) await wait(20);
    await namespace.run(`cp --reflink=always ${disk} ${cut}`);
    process.kill(pid, 'SIGKILL');
    await namespace.run(`mount -o loop ${cut} ${at('cut')}`);
    await namespace.run(`mount --bind ${at('boot-id')} /proc/sys/kernel/random/boot_id`);
    const again = at('cut/store');
    expect(await namespace.run(pull(again))).toContain('Pulled');
    // The note of the flush may be lost, and not the bytes.
    const [, offset] = /^bytes=(\d+)-/.exec(ranges[1] ?? '') ?? [];
    expect(Number(offset)).toBeGreaterThanOrEqual(FLUSHED);
    await namespace.run(`'${process.execPath}' '${CLI}' snapshots check --root '${again}'`);
  },
  TIMEOUT,
);
