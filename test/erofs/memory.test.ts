import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, statSync } from 'node:fs';
import { createGzip } from 'node:zlib';
import { expect, test } from 'vitest';
import { header } from '../helpers/tar-builder.js';
import { inWorkDirectory } from '../helpers/work-directory.js';

const MB = 1024 ** 2;
/** The bound at 2,000,000 entries, which takes a minute. */
const ENTRIES = Number(process.env['OVERLAYER_ENTRIES'] ?? 100_000);
const MAX_MB = ENTRIES > 100_000 ? 500 : 200;
/** Bytes of each name in its directory. */
const NAME_BYTES = 12;
const IN_A_DIRECTORY = 1000;

const INDEX = new URL('../../dist/index.js', import.meta.url).href;
const PROGRAM = `import(${JSON.stringify(INDEX)}).then(async ({ unpackLayer }) => {
  const [source, destination, limits] = process.argv.slice(1);
  const { entries } = await unpackLayer(source, destination, { target: 'erofs', sync: false, limits: JSON.parse(limits) });
  process.stdout.write(JSON.stringify({ entries, bytes: process.resourceUsage().maxRSS * 1024 }));
})`;

test(
  `${ENTRIES} entries take less than ${MAX_MB} MB, and 150 bytes each beside their names`,
  { timeout: 600_000 },
  () =>
    inWorkDirectory(async (at) => {
      await writeLayer(at('layer.tar.gz'));
      const limits = { maxMemory: ENTRIES * (150 + NAME_BYTES), maxEntries: ENTRIES * 2 };
      const args = ['-e', PROGRAM, at('layer.tar.gz'), at('layer.erofs'), JSON.stringify(limits)];
      const { entries, bytes } = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
      expect(entries).toBe(ENTRIES);
      expect(statSync(at('layer.erofs')).size).toBeGreaterThan(ENTRIES * 512);
      expect(bytes).toBeLessThan(MAX_MB * MB);
    }),
);

/** Directories of empty files. */
async function writeLayer(path: string): Promise<void> {
  const gzip = createGzip({ level: 1 });
  const file = gzip.pipe(createWriteStream(path));
  for (let at = 0; at < ENTRIES; at += IN_A_DIRECTORY) {
    const directory = `d${String(at).padStart(NAME_BYTES - 1, '0')}`;
    const headers = Array.from({ length: IN_A_DIRECTORY - 1 }, (_, index) =>
      header({ name: `${directory}/f${String(index).padStart(NAME_BYTES - 1, '0')}` }),
    );
    const members = Buffer.concat([header({ name: `${directory}/`, type: '5' }), ...headers]);
    if (!gzip.write(members)) await once(gzip, 'drain');
  }
  gzip.end(Buffer.alloc(1024));
  await once(file, 'close');
}
