import { join } from 'node:path';
import type { Layer } from '../inputs.js';
import type { Contender } from '../measure.js';
import { OVERLAYER } from '../paths.js';
import { MKFS_EROFS } from '../prerequisites.js';
import { shell } from '../run.js';

export const OWN = 'overlayer';
export const INFLATE = 'igzip -dc > file';
export const TAR = 'tar -xzf';
/** The two forms that containerd's differ makes: with the files' data, and an index before the tar. */
export const MKFS = ['igzip | mkfs.erofs --tar=f', 'igzip | mkfs.erofs --tar=i'] as const;

/** A gzip layer into one file. On disk, all results are durable. */
export function fileContenders(layer: Layer, onDisk: boolean): Contender[] {
  const gzip = layer.file('gzip');
  const unpack = [...OVERLAYER, 'unpack', '--progress', 'none', '--target', 'erofs'];
  const synced = (line: string, dest: string) => shell(onDisk ? `${line} && sync -f ${dest}` : line);
  return [
    {
      name: OWN,
      command: (dest) => [...unpack, ...(onDisk ? [] : ['--no-sync']), gzip, join(dest, 'layer.erofs')],
    },
    { name: INFLATE, limit: true, command: (dest) => synced(`igzip -dc ${gzip} > ${dest}/layer.tar`, dest) },
    { name: TAR, command: (dest) => synced(`tar -xzf ${gzip} -C ${dest}`, dest) },
    { name: 'igzip | tar', command: (dest) => synced(`igzip -dc ${gzip} | tar -x -C ${dest}`, dest) },
    { name: MKFS[0], command: (dest) => synced(mkfsFull(gzip, join(dest, 'layer.erofs')), dest) },
    { name: MKFS[1], command: (dest) => synced(mkfsIndex(gzip, join(dest, 'layer.erofs')), dest) },
  ];
}

/** Options as containerd's documents recommend them. */
export function mkfsFull(gzip: string, file: string): string {
  return `igzip -dc ${gzip} | ${MKFS_EROFS}/mkfs.erofs --tar=f --aufs --quiet -Enoinline_data -b4096 -T0 --mkfs-time --sort=none ${file}`;
}

/** The tar goes into a file beside the index, and then behind it. */
export function mkfsIndex(gzip: string, file: string): string {
  return `igzip -dc ${gzip} | tee ${file}.tar | ${MKFS_EROFS}/mkfs.erofs --tar=i --aufs --quiet ${file} && cat ${file}.tar >> ${file} && rm ${file}.tar`;
}
