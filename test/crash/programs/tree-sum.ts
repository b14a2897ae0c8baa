import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { readErofsLayer, verifyErofsLayer } from '../../../src/layer/index.js';
import { openLinuxSystem } from '../../../src/system/linux.js';
import { AT_FDCWD, O } from '../../../src/system/system.js';

const system = openLinuxSystem();

/** A checksum of the contents of a snapshot. @param path a directory, or a layer file, which is verified */
export async function contentSum(path: string): Promise<string> {
  if (lstatSync(path).isDirectory()) return treeSum(path);
  await verifyErofsLayer(path);
  return readErofsLayer(path).diffID;
}

/** A checksum of all that a layer says, names and contents, as they are in a directory on the disk. */
export function treeSum(directory: string): string {
  const sum = createHash('sha256');
  const visit = (path: string, name: string) => {
    const { mode, uid, gid, nlink, rdev, size, mtimeMs } = lstatSync(path);
    const stats = lstatSync(path);
    // The top is not the layer's alone: its times are those of the last name put into it.
    const times = name === '.' ? 0 : mtimeMs;
    sum.update(JSON.stringify([name, mode, uid, gid, rdev, times]));
    if (stats.isFile()) sum.update(`${nlink} ${size} `).update(readFileSync(path));
    if (stats.isSymbolicLink()) sum.update(readlinkSync(path));
    if (stats.isFile() || stats.isDirectory()) sum.update(JSON.stringify(xattrs(path)));
    if (!stats.isDirectory()) return;
    for (const child of readdirSync(path).sort()) visit(join(path, child), `${name}/${child}`);
  };
  visit(directory, '.');
  return sum.digest('hex').slice(0, 16);
}

function xattrs(path: string): unknown[] {
  const descriptor = system.openAt(AT_FDCWD, path, O.RDONLY | O.NONBLOCK, 0);
  try {
    const names = system.listXattrs(descriptor).sort();
    return names.map((name) => [name, [...(system.getXattr(descriptor, name) ?? [])]]);
  } finally {
    system.close(descriptor);
  }
}
