import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { BackendName } from '../helpers/backends.js';
import { archiveOf, layoutFiles } from '../helpers/hand-made-image.js';
import { MountNamespace } from '../helpers/mount-namespace.js';
import { dir, file, tar } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import type { Version } from './containerd-process.js';
import { openWriter } from './content-writer.js';
import { DaemonProcess } from './daemon-process.js';
import { connect } from './grpc-client.js';
import { useContainerd } from './use-containerd.js';
import { useDaemon } from './use-daemon.js';
import { expectWholeSnapshots } from './whole-snapshots.js';

/** Restarts, each in another pull, at points that are spread over it. */
const RESTARTS = Number(process.env['OVERLAYER_RESTARTS'] ?? 2);
const LAYERS = 5;
/** Prepare, Apply and Commit. */
const STEPS = 3 * LAYERS;

/** Layers that take long enough for a restart to fall into the midst of one. */
const makeLayer = (_: unknown, number: number) =>
  tar(
    dir(`${number}`),
    ...Array.from({ length: 4000 }, (_, each) => file(`${number}/${each}`, randomBytes(500))),
  );

test('whoever calls while others are at work is served, and the last one ends it', async () => {
  const { daemon, connect } = await useDaemon();
  const writer = openWriter(connect('content'));
  await writer.send({ action: 'STAT', ref: 'ingest' });
  let isClosed = false;
  const closed = daemon.close().then(() => (isClosed = true));
  for (const key of ['over a connection', 'over another'])
    await connect('snapshots').ask('prepare', { snapshotter: 'overlayer', key });
  expect(isClosed).toBe(false);
  writer.end();
  await closed;
});

test('a call in between waits for the next one', async () => {
  const directory = makeWorkDirectory();
  const host = await MountNamespace.startShared();
  const daemon = await DaemonProcess.startHeld(host, directory);
  const client = connect('snapshots', daemon.address);
  const call = () => client.ask('prepare', { snapshotter: 'overlayer', key: randomBytes(4).toString('hex') });
  await call();
  await daemon.restart(); // the next one has not begun to listen
  await call();
  client.close();
  expect(await daemon.stop('SIGKILL')).toBe('SIGKILL');
  await host.close();
  rmSync(directory, { recursive: true });
});

const STORES: readonly (readonly [Version, BackendName])[] = [
  ['1.7', 'overlay'],
  ['2.1', 'overlay'],
  ['2.1', 'erofs'],
];

describe.each(STORES)(
  'containerd %s, and a daemon of the backend %s that is started again in a pull',
  (version, backend) => {
    const used = useContainerd({ version, backend, isHeld: true });
    let archive: string;
    beforeAll(() => {
      archive = join(used.directory, 'large.tar');
      writeFileSync(archive, archiveOf(layoutFiles({}, Array.from({ length: LAYERS }, makeLayer))));
    });

    test.each(Array.from({ length: RESTARTS }, (_, at) => Math.floor(((at + 0.5) * STEPS) / RESTARTS)))(
      'after %d steps of it: it goes on',
      async (steps) => {
        const reached = used.daemon.said(steps);
        const pull = used.containerd.ctr(
          '--namespace',
          `after-${steps}`,
          'images',
          'import',
          '--snapshotter',
          'overlayer',
          archive,
        );
        const outcome = pull.then(
          () => 'pulled',
          (error: Error) => error.message,
        );
        await Promise.race([reached, outcome]);
        const serving = used.daemon.serving();
        expect(await used.daemon.restart()).toBe(0);
        expect(await outcome).toBe('pulled');
        await serving;
      },
    );

    test('all snapshots are whole', async () => {
      await expectWholeSnapshots(used.daemon.root);
    });
  },
);
