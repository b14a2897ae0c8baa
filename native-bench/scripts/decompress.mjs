// Decompresses gzip layers one after the other, by overlayer's decoder in one thread, and drops the bytes.
import { closeSync, openSync, readSync } from 'node:fs';
import { openDecompressor } from '../../dist/compression/open-decompressor.js';

const RING = 4 * 1024 * 1024;
const STEP = 128 * 1024;
const output = {
  bytes: Buffer.alloc(RING),
  writeIndex: 0,
  waitRoom: () => STEP,
  publish(length) {
    this.writeIndex += length;
    if (this.writeIndex > RING - STEP) this.writeIndex = 0;
  },
};
const input = Buffer.alloc(STEP);
for (const path of process.argv.slice(2)) {
  const file = openSync(path);
  const decompressor = await openDecompressor('gzip', output, { maxWindow: 2 ** 28 });
  for (;;) {
    const length = readSync(file, input, 0, STEP, null);
    if (length === 0) break;
    decompressor.write(input, 0, length);
  }
  decompressor.end();
  decompressor.close();
  closeSync(file);
}
