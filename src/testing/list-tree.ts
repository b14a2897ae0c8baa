import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { openLinuxSystem } from '../system/linux.js';
import { AT_FDCWD, O } from '../system/system.js';

/**
 * Describes a tree for comparisons, with a line for each name: type, mode, owner, contents, device, target, hard links
 * and extended attributes. Times are omitted, because two writes have different times.
 */
export function listTree(root: string): string[] {
  const links = new Map<string, string>();
  const lines: string[] = [];
  const visit = (path: string, name: string) => {
    const stats = lstatSync(path);
    lines.push(`${name} ${describe(path, stats)} ${linkOf(stats, name, links)}`.trimEnd());
    if (stats.isDirectory())
      for (const child of readdirSync(path).sort()) visit(join(path, child), `${name}/${child}`);
  };
  visit(root, '.');
  return lines;
}

function describe(path: string, stats: Stats): string {
  const attributes = `${stats.mode.toString(8)} ${stats.uid}:${stats.gid}`;
  if (stats.isFile()) return `${attributes} ${stats.size} ${sha256(path)} ${xattrs(path)}`;
  if (stats.isSymbolicLink()) return `${attributes} -> ${readlinkSync(path)}`;
  if (stats.isDirectory()) return `${attributes} ${xattrs(path)}`;
  return `${attributes} ${stats.rdev}`;
}

/** Refers to the first name of a file with several hard links. */
function linkOf(stats: Stats, name: string, links: Map<string, string>): string {
  if (stats.isDirectory() || stats.nlink < 2) return '';
  const inode = `${stats.dev}:${stats.ino}`;
  const first = links.get(inode);
  links.set(inode, first ?? name);
  return first === undefined ? '' : `= ${first}`;
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

function xattrs(path: string): string {
  const system = openLinuxSystem();
  const descriptor = system.openAt(AT_FDCWD, path, O.RDONLY | O.NONBLOCK, 0);
  try {
    return system
      .listXattrs(descriptor)
      .sort()
      .map((name) => `${name}=${Buffer.from(system.getXattr(descriptor, name) ?? []).toString('hex')}`)
      .join(' ');
  } finally {
    system.close(descriptor);
  }
}
