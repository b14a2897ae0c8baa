import { type BigIntStats, type Dirent, lstatSync, readdirSync } from 'node:fs';
import { decodePath } from '../../src/base/path-bytes.js';

/**
 * What a tree does not show but programs rely on: types in directory entries, numbers of links, and inode numbers.
 *
 * @returns a line for each fault
 */
export function inodeFaults(root: string): string[] {
  const faults: string[] = [];
  const names = new Map<bigint, { first: string; stats: BigIntStats; count: number }>();
  const visit = (directory: Buffer, name: string, stats: BigIntStats) => {
    let subdirectories = 0n;
    for (const entry of readdirSync(directory, { encoding: 'buffer', withFileTypes: true })) {
      const path = Buffer.concat([directory, Buffer.from('/'), entry.name]);
      const childName = `${name}/${decodePath(entry.name)}`;
      const child = lstatSync(path, { bigint: true });
      if (!hasTypeOf(entry, child)) faults.push(`${childName}: the directory entry has another type`);
      const others = names.get(child.ino);
      if (others === undefined) names.set(child.ino, { first: childName, stats: child, count: 1 });
      else if (child.isDirectory()) faults.push(`${childName}: has the inode number of ${others.first}`);
      else others.count += 1;
      if (!child.isDirectory()) continue;
      subdirectories += 1n;
      visit(path, childName, child);
    }
    if (stats.nlink !== 2n + subdirectories)
      faults.push(`${name}: ${stats.nlink} links, and ${subdirectories} directories in it`);
  };
  visit(Buffer.from(root), '.', lstatSync(root, { bigint: true }));
  for (const { first, stats, count } of names.values()) {
    if (stats.ino === 0n) faults.push(`${first}: inode number 0`);
    if (!stats.isDirectory() && stats.nlink !== BigInt(count))
      faults.push(`${first}: ${stats.nlink} links, and ${count} names`);
  }
  return faults;
}

function hasTypeOf(entry: Dirent<Buffer>, stats: BigIntStats): boolean {
  const types = (of: Dirent<Buffer> | BigIntStats) => [
    of.isFile(),
    of.isDirectory(),
    of.isSymbolicLink(),
    of.isCharacterDevice(),
    of.isBlockDevice(),
    of.isFIFO(),
    of.isSocket(),
  ];
  return types(entry).join() === types(stats).join();
}
