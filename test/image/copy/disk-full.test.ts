import { expect, test } from 'vitest';
import { useNamespace } from '../../helpers/namespace-process.js';

const namespace = useNamespace('root');

test('a full disk refuses a copy, and nothing is left', async () => {
  const outcomes = await namespace.inside.run(async ({ overlayer, fs, path, child }, work) => {
    const place = path.join(work, 'small');
    fs.mkdirSync(place);
    child.execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', place]);
    const { createImageArchive, createImageLayout } = overlayer;
    const blob = (digest?: `sha256:${string}`) => ({
      mediaType: 'a/b',
      ...(digest === undefined ? {} : { digest, size: 4 << 20 }),
      open: async () => ({ bytes: Buffer.alloc(4 << 20), offset: 0 }),
    });
    const found: Record<string, unknown> = {};
    for (const [name, open] of Object.entries({
      layout: () => createImageLayout(path.join(place, 'layout')),
      archive: () => createImageArchive(path.join(place, 'image.tar')),
      docker: () => createImageArchive(path.join(place, 'image.tar'), { format: 'docker-archive' }),
    }))
      for (const digest of [undefined, `sha256:${'0'.repeat(64)}`] as const) {
        const target = await open();
        const code = await target.writeBlob(blob(digest)).then(
          () => 'done',
          (error: { code?: string }) => error.code ?? String(error),
        );
        await target.close();
        found[`${name} ${digest === undefined ? 'unknown' : 'known'}`] = [code, fs.readdirSync(place)];
      }
    child.execFileSync('umount', [place]);
    return found as Record<string, string[]>;
  }, namespace.directory());
  expect(new Set(Object.values(outcomes).map((outcome) => JSON.stringify(outcome)))).toEqual(
    new Set([JSON.stringify(['ResourceExhausted', []])]),
  );
});
