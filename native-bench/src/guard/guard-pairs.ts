import { join } from 'node:path';
import { overlayerInto } from '../image/image-contenders.js';
import { writeOciLayout } from '../image/oci-layout.js';
import { loadLayer } from '../inputs.js';
import { overlayer, tarPeer, UNPACK, ZLIB, zstdPeer } from '../layers/layer-contenders.js';
import type { Contender } from '../measure.js';
import { OVERLAYER } from '../paths.js';
import { run, shell } from '../run.js';

/** Work of overlayer, and the peer for the ratio. */
export interface GuardPair {
  readonly own: Contender;
  readonly peer: Contender;
  readonly rounds: number;
}

/** Rounds of runs of a second, and of short runs, whose times differ more. */
const [FEW, MANY] = [7, 15];

/** @param dir in memory */
export function guardPairs(dir: string) {
  const layer = loadLayer('guard', dir);
  const small = loadLayer('guard-small', dir);
  const [gzip, zstd, tar] = [layer.file('gzip'), layer.file('zstd'), layer.file('tar')];
  const layout = join(dir, 'layout');
  writeOciLayout(layout, [small]);
  run(overlayerInto('import', '--name', 'image', layout)(join(dir, 'store')));
  const root = join(dir, 'store', 'root');
  const erofs: Contender['command'] = (dest) => [
    ...[...UNPACK, '--target', 'erofs', '--no-sync', gzip, join(dest, 'layer.erofs')],
  ];
  const byIgzip: Contender['command'] = (dest) => shell(`igzip -dc ${gzip} | tar -x -C ${dest}`);
  const byTar: Contender['command'] = (dest) => ['tar', '-xzf', gzip, '-C', dest];
  const node: Contender['command'] = () => [process.execPath, '-e', '0'];
  return {
    'gzip to igzip | tar': pair({ command: overlayer(gzip) }, byIgzip, FEW),
    'gzip by zlib to tar -xzf': pair({ command: overlayer(gzip), env: ZLIB }, byTar, FEW),
    'gzip into EROFS to tar -xzf': pair({ command: erofs }, byTar, FEW),
    'zstd to zstd | tar with sha256': pair({ command: overlayer(zstd) }, zstdPeer(zstd), FEW),
    'plain tar to tar with sha256': pair({ command: overlayer(tar) }, tarPeer(tar), FEW),
    'plain tar without digests to tar': pair(
      { command: overlayer(tar, '--no-digests') },
      (dest) => ['tar', '-xf', tar, '-C', dest],
      FEW,
    ),
    'a small gzip layer to node -e 0': pair({ command: overlayer(small.file('gzip')) }, node, MANY),
    'images ls to node -e 0': pair(
      { command: () => [...OVERLAYER, 'images', 'ls', '--root', root] },
      node,
      MANY,
    ),
  } satisfies Readonly<Record<string, GuardPair>>;
}

export type GuardRow = keyof ReturnType<typeof guardPairs>;

function pair(own: Omit<Contender, 'name'>, peer: Contender['command'], rounds: number): GuardPair {
  return { own: { name: 'overlayer', ...own }, peer: { name: 'peer', command: peer }, rounds };
}
