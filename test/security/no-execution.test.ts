import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect } from 'vitest';
import { compress as zstdSync } from 'zstd-napi';
import { runUnpack } from '../helpers/run-unpack.js';
import { test } from '../helpers/sandbox.js';
import { file, tar } from '../helpers/tar-builder.js';

const TOOLS = [
  'unpigz',
  'pigz',
  'igzip',
  'gzip',
  'gunzip',
  'zstd',
  'zstdcat',
  'unzstd',
  'xz',
  'unxz',
  'bzip2',
  'lz4',
  'tar',
  'sh',
];

// Docker took the decompressor from a PATH that an image could put a program into, and ran it as root; before
// that it ran xz on what an image said was xz (CVE-2014-9357). Here no program is ever started.
describe('CVE-2026-41567, CVE-2014-9357: no decompressor is run', () => {
  const archive = tar(file('usr/bin/unpigz', '#!/bin/sh\n', { mode: 0o755 }));
  const layers = {
    tar: archive,
    gzip: gzipSync(archive),
    zstd: zstdSync(archive),
    xz: Buffer.concat([Buffer.from('fd377a585a0000', 'hex'), Buffer.alloc(1000)]),
    bzip2: Buffer.concat([Buffer.from('425a6839314159265359', 'hex'), Buffer.alloc(1000)]),
  };

  for (const [format, bytes] of Object.entries(layers))
    test(format, async ({ box }) => {
      const bin = poison(box.dest);
      const layer = join(box.dest, 'layer');
      writeFileSync(layer, bytes);
      const run = { source: layer, destination: join(box.dest, 'rootfs'), options: {} };
      // In the poisoned folder too: a library of the image must not be found either.
      const outcome = runUnpack(run, { env: { PATH: bin.path }, cwd: bin.folder });
      expect('error' in outcome ? outcome.error.code : 'unpacked', JSON.stringify(outcome)).toBe(
        /xz|bzip2/.test(format) ? 'Unimplemented' : 'unpacked',
      );
      expect(existsSync(bin.evidence), 'a program of the PATH was run').toBe(false);
    });

  test('the trap works', ({ box }) => {
    const bin = poison(box.dest);
    execFileSync('unpigz', { env: { PATH: bin.path } });
    expect(existsSync(bin.evidence)).toBe(true);
  });
});

/** A folder of programs that leave a trace, first on the PATH. */
function poison(root: string) {
  const folder = join(root, 'bin');
  const evidence = join(root, 'evidence');
  mkdirSync(folder, { recursive: true });
  for (const tool of TOOLS) {
    writeFileSync(join(folder, tool), `#!/bin/sh\necho ${tool} >> ${evidence}\n`);
    chmodSync(join(folder, tool), 0o755);
  }
  return { folder, evidence, path: [folder, process.env['PATH']].join(delimiter) };
}
