import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { ErofsTree } from '../../src/erofs/index.js';
import { openStore } from '../../src/index.js';
import { overlayer } from '../cli/helpers.js';
import { configOf, layoutFiles, writeFiles } from '../helpers/hand-made-image.js';
import { layerFileOf } from '../helpers/layer-file.js';
import { dir, file, tar, whiteout } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const directory = makeWorkDirectory();
afterAll(() => rmSync(directory, { recursive: true }));

const layers = [
  gzipSync(tar(dir('etc'), file('etc/base', 'base'))),
  gzipSync(tar(dir('etc'), file('etc/next', 'next'), whiteout('etc/base'))),
];
const config = JSON.stringify({
  ...JSON.parse(configOf(layers).toString()),
  config: { Cmd: ['sh'], Labels: { a: 'b' }, Volumes: { '/data': {} }, ExposedPorts: { '80/tcp': {} } },
});
writeFiles(join(directory, 'layout'), layoutFiles({}, layers, Buffer.from(config)));
copyFileSync(join(REPOSITORY, 'fixtures/layer.tar.gz'), join(directory, 'layer.tar.gz'));
writeFileSync(join(directory, 'layer.erofs'), layerFileOf(tar(file('a', 'one')), new ErofsTree()));
mkdirSync(join(directory, 'empty'));
const holdSomething = async () => {
  await using store = await openStore({ root: join(directory, 'store') });
  await store.content.leases.create({ id: 'mine' });
};

/** A type of the page, and the command whose document it describes; in this order. */
const COMMANDS: readonly (readonly [type: string, command: string, input?: string])[] = [
  ['UnpackedLayer', 'unpack layer.tar.gz rootfs'],
  ['UnpackedImage', 'unpack layout image-rootfs'],
  ['Failure', 'unpack none.tar nothing'],
  ['Inspected', 'inspect layer.tar.gz'],
  ['Inspected', 'unpack --dry-run layer.tar.gz nothing'],
  ['Inspected', 'inspect --max-entries 3 layer.tar.gz'],
  ['InspectedImages', 'inspect layout'],
  ['Explored', 'explore layout --ci'],
  ['ComparedImages', 'explore layer.tar.gz --compare layout'],
  ['ListedFiles', 'files layout'],
  ['LayerChanges', 'files layout --layer 1'],
  ['PathHistory', 'files layout --history etc/base'],
  ['MadeLayer', 'diff empty rootfs -o made.tar.gz'],
  ['WrittenTar', 'layer tar layer.erofs -o written.tar'],
  ['VerifiedLayer', 'layer verify layer.erofs'],
  ['Got', 'import layout --name app:1 --root store'],
  ['Images', 'images ls --root store'],
  ['Tree', 'images tree --root store'],
  ['InspectedImage', 'images inspect app:1 --root store'],
  ['ImageUsage', 'images usage --root store'],
  ['ImageCheck', 'images check --root store'],
  ['WrittenDisk', 'images disk app:1 app.img --root store'],
  ['Image', 'images tag app:1 app:2 --root store'],
  ['MadeImage', 'config app:1 -t app:3 --user web --root store'],
  ['ImageDiff', 'images diff app:1 app:3 --root store'],
  ['Exported', 'export app:1 -o exported.tar --root store'],
  ['Exported', 'export app:1 --format docker-archive -o docker.tar --root store'],
  ['Copied', 'copy exported.tar oci:copied'],
  ['MadeImage', 'convert app:1 -t app:4 --compression none --root store'],
  ['Bundle', 'bundle app:1 web --root store'],
  ['Blobs', 'content ls --root store'],
  ['Verified', 'content verify --root store'],
  ['Blobs[number]', 'content ingest mine --root store', 'hello'],
  ['Leases', 'content leases ls --root store'],
  ['Removed', 'content leases rm mine --root store'],
  ['RemovedImages', 'images rm app:2 app:3 app:4 --root store'],
  ['Pruned', 'images prune --root store'],
  ['Unpacked', 'snapshots unpack layer.tar.gz --key base --root store'],
  ['Mounts', 'snapshots prepare web base --root store'],
  ['Snapshots', 'snapshots ls --root store'],
  ['Trees', 'snapshots tree --root store'],
  ['Snapshot', 'snapshots info web --root store'],
  ['SnapshotUsage', 'snapshots usage --root store'],
  ['Snapshot', 'snapshots label web a=b --root store'],
  ['Mounts', 'snapshots mounts /mnt web --root store'],
  ['MadeLayer', 'snapshots diff web -o web.tar --root store'],
  ['Snapshot', 'snapshots commit next web --root store'],
  ['Removed', 'snapshots rm next --root store'],
  ['Freed', 'snapshots cleanup --root store'],
  ['Report', 'snapshots check --root store'],
];

test('what the page says of the documents is true: the compiler finds neither more nor less', async () => {
  const page = readFileSync(join(REPOSITORY, 'docs/json.md'), 'utf8');
  const types = [...page.matchAll(/^```typescript\n(.*?)^```$/gms)].map(([, block]) => block);
  const documents: string[] = [];
  for (const [type, command, input] of COMMANDS) {
    if (command.startsWith('content leases ls')) await holdSomething();
    const args = [...command.split(' '), '--json'];
    const { stdout, stderr } = await overlayer(
      args.includes('import') || args.includes('unpack') || args.includes('config')
        ? [...args, '--progress', 'none']
        : args,
      { cwd: directory, env: { ...process.env, NO_COLOR: '1' }, input: Buffer.from(input ?? '') },
    );
    const text = type === 'Failure' ? stderr : stdout;
    expect(() => JSON.parse(text), `${command}: ${stderr}`).not.toThrow();
    documents.push(`// ${command}\nexport const d${documents.length}: ${type} = ${text};`);
  }
  writeFileSync(join(directory, 'documents.ts'), [...types, ...documents].join('\n'));
  const options = { noEmit: true, strict: true, types: [] };
  writeFileSync(
    join(directory, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: options, files: ['documents.ts'] }),
  );
  const { stdout } = spawnSync(join(REPOSITORY, 'node_modules/.bin/tsc'), {
    cwd: directory,
    encoding: 'utf8',
  });
  expect(stdout).toBe('');
});
