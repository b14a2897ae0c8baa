import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { diffSnapshot, openSnapshotter, type Snapshotter, unpackSnapshot } from '../../src/index.js';
import { BACKENDS } from '../helpers/backends.js';
import { useNamespace } from '../helpers/namespace-process.js';
import { file, tar } from '../helpers/tar-builder.js';

const namespace = useNamespace('root');

/** Takes one step of a diff, and then waits for its end. */
const DIFF = `
const { diffSnapshot, openSnapshotter } = await import(${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)});
const [root, backend] = process.argv.slice(1);
const snapshots = await openSnapshotter({ root, backend });
await diffSnapshot(snapshots, 'layer')[Symbol.asyncIterator]().next();
process.send('begun');
setInterval(() => {}, 1000);
`;

async function names(snapshots: Snapshotter): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of snapshots.walk()) found.push(name.replace(/^mount-.*-layer$/, 'view'));
  return found;
}

describe.each(BACKENDS)('views of tasks on the backend %s', (backend) => {
  let root: string;
  beforeEach(async () => {
    root = join(namespace.directory('disk'), 'root');
    await using snapshots = await openSnapshotter({ root, backend });
    await unpackSnapshot(snapshots, tar(file('f', 'text')), { name: 'layer' });
  });

  test('a cleanup leaves the view of a diff that is under way, and removes that of a killed one', async () => {
    await using snapshots = await openSnapshotter({ root, backend });
    const child = spawn(process.execPath, ['--input-type=module', '--eval', DIFF, root, backend], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child, 'message');
    await snapshots.cleanup();
    expect(await names(snapshots)).toEqual(['layer', 'view']);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const { removed } = await snapshots.cleanup();
    expect(removed).toHaveLength(1);
    expect(await names(snapshots)).toEqual(['layer']);
  });

  test('closing removes the view of a diff that was abandoned after a step', async () => {
    const snapshots = await openSnapshotter({ root, backend });
    await diffSnapshot(snapshots, 'layer')[Symbol.asyncIterator]().next();
    expect(await names(snapshots)).toEqual(['layer', 'view']);
    await snapshots.close();
    await using again = await openSnapshotter({ root, backend });
    expect(await names(again)).toEqual(['layer']);
  });

  test('a diff of a snapshot works on a read-only file system', async () => {
    const output = join(namespace.directory(), 'diff.tar');
    writeFileSync(output, '');
    const bytes = await namespace.inside.run(
      async ({ overlayer, fs }, root, backend, output) => {
        await overlayer.mountAll([{ type: 'bind', source: root, options: ['bind', 'ro'] }], root);
        const snapshots = await overlayer.openSnapshotter({ root, backend: backend as 'native' });
        try {
          const diff = overlayer.diffSnapshot(snapshots, 'layer', { compression: 'none' });
          await fs.promises.writeFile(output, diff);
          return fs.readFileSync(output).includes('text');
        } finally {
          await snapshots.close();
        }
      },
      root,
      backend,
      output,
    );
    expect(bytes).toBe(true);
  });
});
