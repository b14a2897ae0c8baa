import { expect, test } from 'vitest';
import { useNamespace } from '../helpers/namespace-process.js';

const namespace = useNamespace('root');

test('a full disk refuses, says so, and leaves all that was there as it was', async () => {
  const outcomes = await namespace.inside.run(async ({ load, fs, path, child }, work) => {
    const { openLmdbStore } =
      await load<typeof import('../../src/metadata/lmdb-store.js')>('metadata/lmdb-store.js');
    const { openContentStore } = await load<typeof import('../../src/content/open-content-store.js')>(
      'content/open-content-store.js',
    );
    const place = path.join(work, 'small');
    fs.mkdirSync(place);
    child.execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', place]);
    const metadata = openLmdbStore(path.join(place, 'metadata.db'));
    const content = await openContentStore({ root: path.join(place, 'content'), metadata });
    const codeOf = (outcome: Promise<unknown>) =>
      outcome.then(
        () => 'done',
        (error: { code?: string }) => error.code ?? String(error),
      );
    const take = (text: string | Uint8Array) => Buffer.from(text);
    const put = async (ref: string, text: string) => {
      const ingest = await content.openIngest(ref);
      try {
        await ingest.write(take(text));
        return await ingest.commit();
      } finally {
        await ingest.close();
      }
    };

    const kept = await put('kept', 'text');
    const chunk = Buffer.alloc(300_000, 'x');
    const large = await content.openIngest('large');
    let written = 0;
    let refused = 'done';
    while (written < 100 && refused === 'done') {
      refused = await codeOf(large.write(chunk));
      if (refused === 'done') written++;
    }
    const consistent =
      large.offset === written * chunk.length && fs.statSync(large.path).size === large.offset;

    // The last blocks, so that not even a directory can be made.
    const ballast = path.join(place, 'ballast');
    try {
      for (;;) fs.appendFileSync(ballast, Buffer.alloc(4096));
    } catch {
      // That was all.
    }
    const whenFull = {
      begin: await codeOf(content.openIngest('another')),
      read: await codeOf(content.stat(kept.digest)),
      health: (await content.verify(kept.digest)).state,
      goOn: await codeOf(large.write(chunk)),
      // The metadata have room for it.
      commit: await codeOf(large.commit()),
    };
    fs.rmSync(ballast);
    for await (const { digest } of content.walk({ filters: ['size!=4'] })) await content.delete(digest);
    const ingests = await content.ingests();
    const later = await codeOf(put('another', 'y'.repeat(2 << 20)));
    await metadata.close();
    child.execFileSync('umount', [place]);
    return { written, refused, consistent, whenFull, ingests: ingests.length, later };
  }, namespace.directory());
  expect(outcomes).toEqual({
    written: expect.any(Number),
    refused: 'ResourceExhausted',
    consistent: true,
    whenFull: {
      begin: 'ResourceExhausted',
      read: 'done',
      health: 'whole',
      goOn: 'ResourceExhausted',
      commit: 'done',
    },
    ingests: 0,
    later: 'done',
  });
  expect(outcomes.written).toBeGreaterThan(3);
});
