import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { unpackLayer } from '../../src/index.js';
import { useNamespace } from '../helpers/namespace-process.js';
import { file, tar } from '../helpers/tar-builder.js';

const namespace = useNamespace('root');

const cachedBytes = (path: string) =>
  Number(execFileSync('fincore', ['--bytes', '--noheadings', '--output', 'RES', path], { encoding: 'utf8' }));

test('a mount begins to read all metadata of a layer, and none of its data', async () => {
  const root = namespace.directory('disk');
  const [layer, target] = [join(root, 'layer.erofs'), join(root, 'target')];
  const names = Array.from({ length: 4000 }, (_, index) => file(`file-${index}`, 'x'.repeat(1024)));
  const archive = tar(...names);
  await unpackLayer(archive, layer, { target: 'erofs' });
  mkdirSync(target);
  execFileSync('dd', [`of=${layer}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none']);
  expect(cachedBytes(layer)).toBe(0);
  const metadata = statSync(layer).size - archive.length;
  await namespace.inside.run(
    ({ overlayer }, source, target) =>
      overlayer.mountAll([{ type: 'erofs', source, options: ['ro'] }], target),
    layer,
    target,
  );
  expect(cachedBytes(layer)).toBeGreaterThan(metadata * 0.9);
  expect(cachedBytes(layer)).toBeLessThan(metadata + 256 * 1024);
});
