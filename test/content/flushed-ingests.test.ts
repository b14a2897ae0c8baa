import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { digestOf, useContent } from './use-content.js';

const content = useContent();

describe('bytes of an ingest that were written before a power cut', () => {
  const MIB = 1024 ** 2;
  const blob = Buffer.alloc(70 * MIB, 'some bytes of a large layer ');

  /** Writes 65 MiB. The first 64 MiB are flushed. */
  async function begin(): Promise<string> {
    await using ingest = await content.store.openIngest('large', { size: blob.length });
    for (let at = 0; at < 65 * MIB; at += MIB) await ingest.write(blob.subarray(at, at + MIB));
    return ingest.path;
  }

  test('are continued after a kill: the machine has not been started since', async () => {
    await begin();
    await using ingest = await content.store.openIngest('large');
    expect(ingest.offset).toBe(65 * MIB);
  });

  test('are trusted as far as they were flushed', async () => {
    const path = await begin();
    const mark = join(dirname(path), 'flushed');
    expect(readFileSync(mark, 'utf8')).toMatch(new RegExp(`^[\\w-]+ ${64 * MIB}$`));
    writeFileSync(mark, `00000000-0000-0000-0000-000000000000 ${64 * MIB}`);
    writeFileSync(path, Buffer.concat([blob.subarray(0, 64 * MIB), Buffer.alloc(MIB)])); // zeros at its end
    expect(await content.store.ingest('large')).toMatchObject({ offset: 64 * MIB });
    for (const _ of ['the first writer', 'the next one']) {
      await using ingest = await content.store.openIngest('large');
      expect([ingest.offset, statSync(path).size]).toEqual([64 * MIB, 64 * MIB]);
    }
    await using ingest = await content.store.openIngest('large');
    await ingest.write(blob.subarray(64 * MIB));
    expect((await ingest.commit()).digest).toBe(digestOf(blob));
  });

  test('are not trusted after the ingest began anew', async () => {
    const path = await begin();
    {
      await using ingest = await content.store.openIngest('large');
      await ingest.truncate();
      await ingest.write(blob.subarray(0, MIB));
    }
    expect(readFileSync(join(dirname(path), 'flushed'), 'utf8')).toMatch(/ 0$/);
  });

  test('damaged notes say nothing', async () => {
    const path = await begin();
    for (const text of ['', 'x', '0 -1', `boot ${'9'.repeat(20)}`]) {
      writeFileSync(join(dirname(path), 'flushed'), text);
      expect(await content.store.ingest('large')).toMatchObject({ offset: 65 * MIB });
    }
  });
});
