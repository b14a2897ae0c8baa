import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { mergeErofsLayers } from '../../src/layer/index.js';
import { makeErofsLayer } from '../helpers/erofs-layer.js';
import { oldGnuSparse, sparseContent } from '../helpers/sparse-members.js';
import {
  characterDevice,
  dir,
  fifo,
  file,
  hardlink,
  symlink,
  tar,
  whiteout,
} from '../helpers/tar-builder.js';
import { sha256 } from '../helpers/tree.js';
import { runInVirtualMachine } from '../helpers/virtual-machine.js';
import { inWorkDirectory } from '../helpers/work-directory.js';

const large = 'large'.repeat(50_000);
const islands = [
  [0, 'begin'],
  [100_000, 'middle'.repeat(500)],
] as const;

const LAYER = tar(
  dir('./', { mode: 0o751, uid: 1, gid: 2 }),
  dir('d', { mode: 0o2755, uid: 1000, gid: 70_000 }),
  file('d/file', 'content', { mode: 0o4755, uid: 1000, gid: 70_000, mtime: 1_234_567_890 }),
  hardlink('d/other', 'd/file'),
  file('large', large),
  oldGnuSparse('sparse', 200_000, islands),
  symlink('link', 'd/file'),
  characterDevice('null', 1, 3, { mode: 0o666 }),
  fifo('pipe'),
  whiteout('gone'),
  ...Array.from({ length: 1000 }, (_, at) => file(`many/-${at}`, `${at}`)),
);

const UPPER = tar(whiteout('large'), file('new', 'new'), whiteout('many/-0'));

// Linux 6.12, of Debian's stable release, is the first that mounts EROFS files without loop devices. As a disk, the file
// needs 6.4.
test("Debian's stable kernel lists a layer file, and the image of two layers, that are its disks", () =>
  inWorkDirectory(async (at) => {
    writeFileSync(at('layer.erofs'), makeErofsLayer(LAYER).bytes);
    writeFileSync(at('upper.erofs'), makeErofsLayer(UPPER).bytes);
    await mergeErofsLayers([at('layer.erofs'), at('upper.erofs')], at('image.img'), { form: 'disk' });
    const { output, messages } = runInVirtualMachine(
      at('.'),
      [at('layer.erofs'), at('image.img')],
      "cd /mnt/a; stat -c '%n %f %u:%g %h %Y %t:%T' . d d/* large sparse null pipe gone; readlink link; sha256sum d/other large sparse; " +
        'ls many | wc -l; cat many/-999; echo; cd ../b; find . -maxdepth 1 | sort; sha256sum new; ls many | wc -l',
    );
    expect(output.trim().split('\n')).toEqual([
      '. 41e9 1:2 4 1700000000 0:0',
      'd 45ed 1000:70000 2 1700000000 0:0',
      'd/file 89ed 1000:70000 2 1234567890 0:0',
      'd/other 89ed 1000:70000 2 1234567890 0:0',
      'large 81a4 0:0 1 1700000000 0:0',
      'sparse 81a4 0:0 1 1700000000 0:0',
      'null 21b6 0:0 1 1700000000 1:3',
      'pipe 11a4 0:0 1 1700000000 0:0',
      'gone 2000 0:0 1 0 0:0',
      'd/file',
      `${sha256('content')}  d/other`,
      `${sha256(large)}  large`,
      `${sha256(sparseContent(200_000, islands))}  sparse`,
      '1000',
      '999',
      ...['.', './d', './link', './many', './new', './null', './pipe', './sparse'],
      `${sha256('new')}  new`,
      '999',
    ]);
    const mounted = expect.stringContaining('mounted with root inode');
    expect(messages).toEqual([mounted, mounted]);
  }));
