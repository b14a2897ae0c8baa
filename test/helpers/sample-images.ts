import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createReadStream, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { compress as zstdSync } from 'zstd-napi';

/** One image of two layers, written in every form by the tools that people use. */
export interface SampleImages {
  /** Directories with the OCI layout, by who wrote them. */
  readonly layouts: Readonly<Record<string, string>>;
  /** Files, by who wrote them and how. */
  readonly archives: Readonly<Record<string, string>>;
  /** Of all of them, as skopeo tells. */
  readonly diffIDs: readonly string[];
}

const BUILDAH_NAME = 'localhost/sample:2';

/** Made in `directory`, by umoci, skopeo and buildah. The second layer is larger than what an import keeps in memory. */
export function makeSampleImages(directory: string): SampleImages {
  const at = (name: string) => join(directory, name);
  const run = (program: string, ...args: readonly string[]) =>
    execFileSync(`/usr/bin/${program}`, args, {
      cwd: directory,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const copy = (from: string, to: string, ...options: readonly string[]) =>
    run('skopeo', 'copy', '--quiet', '--insecure-policy', ...options, from, to);
  const compressed = (name: string) => {
    writeFileSync(at(`${name}.gz`), gzipSync(readFileSync(at(name))));
    writeFileSync(at(`${name}.zst`), zstdSync(readFileSync(at(name))));
  };

  mkdirSync(at('files'));
  writeFileSync(at('files/small'), 'hello');
  symlinkSync('small', at('files/link'));
  writeFileSync(at('large'), randomBytes(1_500_000));
  run('umoci', 'init', '--layout', 'umoci');
  run('umoci', 'new', '--image', 'umoci:sample');
  for (const [index, name] of ['files', 'large'].entries()) {
    run('tar', '-cf', `${index}.tar`, name);
    run('umoci', 'raw', 'add-layer', '--image', 'umoci:sample', `${index}.tar`);
  }
  copy('oci:umoci:sample', 'oci:skopeo:docker.io/library/sample:1');
  copy('oci:umoci:sample', 'oci:zstd:sample:1', '--dest-compress-format', 'zstd');
  copy('oci:umoci:sample', 'oci-archive:skopeo-oci.tar:sample:1');
  copy('oci:umoci:sample', 'docker-archive:skopeo-docker.tar:sample:1');

  const storage = ['--root', at('buildah/root'), '--runroot', at('buildah/run'), '--storage-driver', 'vfs'];
  const buildah = (...args: readonly string[]) => run('buildah', ...storage, ...args);
  buildah('pull', '--quiet', 'oci:umoci:sample');
  const [id = ''] = buildah('images', '--quiet').split('\n');
  buildah('tag', id, BUILDAH_NAME);
  buildah('push', '--quiet', '--format', 'oci', BUILDAH_NAME, `oci-archive:buildah-oci.tar:${BUILDAH_NAME}`);
  buildah('push', '--quiet', BUILDAH_NAME, `docker-archive:buildah-docker.tar:${BUILDAH_NAME}`);
  rmSync(at('buildah'), { recursive: true });
  compressed('skopeo-oci.tar');
  compressed('skopeo-docker.tar');
  // As `tar -C layout -c .` writes it: every name begins with "./".
  run('tar', '-C', 'umoci', '-cf', 'umoci.tar', '.');

  const config = JSON.parse(run('skopeo', 'inspect', '--config', 'oci:umoci:sample'));
  const all = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, at(name)]));
  return {
    layouts: all(LAYOUTS),
    archives: all(ARCHIVES),
    diffIDs: config.rootfs.diff_ids,
  };
}

export const LAYOUTS = ['umoci', 'skopeo', 'zstd'];
export const ARCHIVES = [
  'umoci.tar',
  'skopeo-oci.tar',
  'skopeo-oci.tar.gz',
  'skopeo-oci.tar.zst',
  'skopeo-docker.tar',
  'skopeo-docker.tar.gz',
  'skopeo-docker.tar.zst',
  'buildah-oci.tar',
  'buildah-docker.tar',
];

/** A file's bytes as a pipe gives them. */
export async function* pieces(path: string, size: number): AsyncGenerator<Uint8Array> {
  yield* createReadStream(path, { highWaterMark: size });
}
