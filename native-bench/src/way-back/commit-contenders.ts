import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Layer } from '../inputs.js';
import type { Contender } from '../measure.js';
import { OVERLAYER } from '../paths.js';
import { run, shell } from '../run.js';
import { removeImage } from './send-contenders.js';
import type { Stores } from './stores.js';

/** Peers that write a layer as it is. */
export const PLAIN_COMMITS = ['buildah, to its storage (not compressed)', 'podman (not compressed)'] as const;

/** A toolchain that a container has installed becomes a layer of a new image. */
export function commitContenders(stores: Stores, change: Layer): readonly Contender[] {
  const { root, containers, gzipLayout } = stores;
  const untar = (directory: string) =>
    `mkdir ${directory}/new && tar -C ${directory}/new -xf ${change.file('tar')}`;
  const mounted = join(root, 'mounted');
  mkdirSync(mounted);
  run([...OVERLAYER, 'mount', '--rw', '--root', stores.overlayer, 'image', mounted]);
  run(shell(untar(mounted)));
  run(
    shell(
      `buildah ${containers} from --name change localhost/image && ${untar(`$(buildah ${containers} mount change)`)}`,
    ),
  );
  const podman = `podman ${containers}`;
  run(shell(`${podman} create --name podman localhost/image true && ${untar(`$(${podman} mount podman)`)}`));
  const bundle = join(root, 'bundle');
  run(shell(`umoci unpack --image ${gzipLayout}:image ${bundle} && ${untar(`${bundle}/rootfs`)}`));
  const overlayer = (name: string, ...options: readonly string[]): Contender => ({
    name,
    before: () => removeImage(stores, 'committed'),
    command: () => [
      ...[...OVERLAYER, 'commit', '--root', stores.overlayer, '--progress', 'none', ...options],
      ...[mounted, 'committed'],
    ],
  });
  return [
    overlayer('overlayer'),
    overlayer('overlayer, zstd', '--compression', 'zstd'),
    overlayer('overlayer, not compressed', '--compression', 'none'),
    {
      name: 'umoci (gzip)',
      before: () =>
        run(shell(`umoci rm --image ${gzipLayout}:committed && umoci gc --layout ${gzipLayout} || true`)),
      command: () => ['umoci', 'repack', '--image', `${gzipLayout}:committed`, bundle],
    },
    {
      name: PLAIN_COMMITS[0],
      before: () => run(shell(`buildah ${containers} rmi committed || true`)),
      command: () => shell(`buildah ${containers} commit -q change committed`),
    },
    {
      name: PLAIN_COMMITS[1],
      before: () => run(shell(`${podman} rmi committed || true`)),
      command: () => shell(`${podman} commit -q podman committed`),
    },
  ];
}
