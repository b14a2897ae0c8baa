import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CONTAINERD } from '../image/image-contenders.js';
import type { ImageFiles } from '../image/image-files.js';
import { OVERLAYER } from '../paths.js';
import { run, shell } from '../run.js';

/** Where each tool has the image before the time begins. All are in memory. */
export interface Stores {
  readonly root: string;
  /** OCI layouts with the image as `image`. */
  readonly gzipLayout: string;
  readonly zstdLayout: string;
  /** Of overlayer. The images `image` (gzip) and `zstd` are in it. */
  readonly overlayer: string;
  /** Options of podman and buildah. Their image is `image`. */
  readonly containers: string;
  /** Of containerd. */
  readonly containerd: string;
}

/** The name of the image in containerd. */
export const CONTAINERD_IMAGE = 'example.org/bench:image';

export function makeStores(dir: string, { layout: gzipLayout, archive }: ImageFiles): Stores {
  const root = join(dir, 'stores');
  mkdirSync(join(root, 'containerd'), { recursive: true });
  const [overlayer, zstdLayout] = [join(root, 'overlayer'), join(root, 'zstd')];
  const storage = join(root, 'containers');
  const containers = `--root ${storage}/root --runroot ${root}/run --storage-driver overlay`;
  run([
    'skopeo',
    'copy',
    '-q',
    '--dest-compress-format',
    'zstd',
    `oci:${gzipLayout}:image`,
    `oci:${zstdLayout}:image`,
  ]);
  for (const [name, layout] of [
    ['image', gzipLayout],
    ['zstd', zstdLayout],
  ] as const)
    run([...OVERLAYER, 'import', '--root', overlayer, '--name', name, '--progress', 'none', layout]);
  run(
    shell(`podman ${containers} tag $(podman ${containers} pull -q oci:${gzipLayout}:image) localhost/image`),
  );
  run([CONTAINERD, join(root, 'containerd'), 'import', '--base-name', 'example.org/bench', archive]);
  return { root, gzipLayout, zstdLayout, overlayer, containers, containerd: join(root, 'containerd') };
}
