import { expect, test } from 'vitest';
import { useNamespace } from '../helpers/namespace-process.js';

const namespace = useNamespace('root');

test('a pull whose blobs do not fit on the disk says so, and leaves nothing; with room it succeeds', async () => {
  const outcomes = await namespace.inside.run(async ({ overlayer, fs, path, child }, work) => {
    const crypto = process.getBuiltinModule('node:crypto');
    const root = path.join(work, 'store');
    const small = path.join(root, 'content');
    fs.mkdirSync(small, { recursive: true });
    child.execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', small]);

    const tree = path.join(work, 'tree');
    fs.mkdirSync(tree);
    fs.writeFileSync(path.join(tree, 'large'), crypto.randomBytes(6 << 20));
    const layer = child.execFileSync('tar', ['-cC', tree, '.'], { maxBuffer: 16 << 20 });
    const blobs = new Map<string, Buffer>();
    const add = (mediaType: string, bytes: Buffer) => {
      const digest = `sha256:${crypto.createHash('sha256').update(bytes).digest('hex')}` as const;
      blobs.set(digest, bytes);
      return { mediaType, digest, size: bytes.length };
    };
    const json = (value: unknown) => Buffer.from(JSON.stringify(value));
    const described = add('application/vnd.oci.image.layer.v1.tar', layer);
    const config = add(
      'application/vnd.oci.image.config.v1+json',
      json({
        ...{ architecture: 'amd64', os: 'linux' },
        rootfs: { type: 'layers', diff_ids: [described.digest] },
      }),
    );
    const mediaType = 'application/vnd.oci.image.manifest.v1+json';
    const target = add(mediaType, json({ schemaVersion: 2, mediaType, config, layers: [described] }));
    const close = async () => {};
    const source: import('../../src/index.js').ImageSource = {
      description: 'blobs in memory',
      images: async () => [{ name: 'docker.io/library/large:1', target }],
      open: async ({ digest }, { offset = 0 } = {}) => {
        async function* bytes() {
          const blob = blobs.get(digest)!;
          for (let at = offset; at < blob.length; at += 65_536) yield blob.subarray(at, at + 65_536);
        }
        return { bytes: bytes(), offset };
      },
      close,
      [Symbol.asyncDispose]: close,
    };

    const store = await overlayer.openStore({ root });
    const options = { platform: { os: 'linux', architecture: 'amd64' } };
    const code = await store.import(source, options).then(
      () => 'done',
      (error: { code?: string }) => error.code,
    );
    const ingests = (await store.content.ingests()).length;
    const used = fs.statfsSync(small);
    child.execFileSync('mount', ['-o', 'remount,size=16m', small]);
    const [image] = await store.import(source, options);
    const { isComplete } = await image!.check();
    await store.close();
    child.execFileSync('umount', [small]);
    return { code, ingests, isEmpty: used.bfree > used.blocks * 0.9, isComplete };
  }, namespace.directory());
  expect(outcomes).toEqual({ code: 'ResourceExhausted', ingests: 0, isEmpty: true, isComplete: true });
});
