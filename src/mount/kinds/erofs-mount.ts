import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { SUPERBLOCK_OFFSET } from '../../erofs/format.js';
import { readAhead } from '../../system/read-ahead.js';
import { isErrno, SystemError } from '../../system/system.js';
import { splitOption } from '../mount-options.js';
import { FILE_SYSTEM, makeFileSystem, type Parameter } from './file-system-mount.js';
import type { MountAttempt, MountKind } from './mount-attempt.js';
import { ShortPaths } from './short-paths.js';

/**
 * An EROFS file, with further files that the option `device=` names. The kernel mounts the file itself since Linux 6.12.
 * Older kernels, and files on a filesystem that the kernel can't map for it (tmpfs, overlayfs), need loop devices.
 */
export const EROFS: MountKind = {
  makeTree(attempt) {
    try {
      const tree = makeOfFiles(attempt) ?? makeOfLoopDevices(attempt);
      readMetadataAhead(attempt.mount.source);
      return tree;
    } catch (error) {
      throw nameFile(attempt, error);
    }
  },
  mountOld: FILE_SYSTEM.mountOld,
};

/** @returns undefined when the kernel does not mount the files themselves */
function makeOfFiles(attempt: MountAttempt): number | undefined {
  using paths = new ShortPaths(attempt.system);
  const parameters = parametersOf(attempt, (path) => paths.shorten(path));
  try {
    return makeFileSystem(attempt, parameters);
  } catch (error) {
    if (!isErrno(error, 'ENOTBLK')) throw error;
    attempt.messages.length = 0;
    return undefined;
  }
}

/** 30,000 entries. The whole of a larger tree is not what a container reads first. */
const MAX_AHEAD_BYTES = 4 * 1024 * 1024;
/** Places in the superblock: bits of the block size, and the block at which the metadata begin. */
const SUPERBLOCK = { blockBits: 0x0c, metadataBlock: 0x28, length: 0x2c } as const;

/**
 * EROFS reads metadata page by page and waits for each page: 72 of the 380 reads of a cold start of Python, Perl and Git.
 */
function readMetadataAhead(file: string): void {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, 'r');
    const bytes = Buffer.alloc(SUPERBLOCK.length);
    readSync(descriptor, bytes, 0, bytes.length, SUPERBLOCK_OFFSET);
    const start = bytes.readUInt32LE(SUPERBLOCK.metadataBlock) * 2 ** bytes[SUPERBLOCK.blockBits]!;
    const end = Math.min(start + MAX_AHEAD_BYTES, fstatSync(descriptor).size);
    readAhead(descriptor, start, end);
  } catch {
    // It is mounted. Its first users wait for the metadata.
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** The kernel keeps a loop device while it is mounted, also after a crash of this process, and frees it afterwards. */
function makeOfLoopDevices(attempt: MountAttempt): number {
  const { system } = attempt;
  const opened: number[] = [];
  try {
    const parameters = parametersOf(attempt, (path) => {
      const device = system.openLoopDevice(path);
      opened.push(device.descriptor);
      return device.path;
    });
    return makeFileSystem(attempt, parameters);
  } finally {
    for (const descriptor of opened) system.close(descriptor);
  }
}

function parametersOf(
  { mount, options }: MountAttempt,
  replace: (path: string) => string,
): readonly Parameter[] {
  const data = options.data.map(splitOption);
  return [
    ['source', replace(mount.source)],
    ...data.map(([key, value]): Parameter => [key, key === 'device' && value ? replace(value) : value]),
  ];
}

/** The kernel does not say which file it means. */
function nameFile({ mount, options }: MountAttempt, error: unknown): unknown {
  if (!(error instanceof SystemError) || error.path !== '') return error;
  const devices = options.data.map(splitOption).filter(([key]) => key === 'device');
  const files = [mount.source, ...devices.map(([, file = '']) => file)];
  const missing = error.errno === 'ENOENT' ? files.find((file) => !existsSync(file)) : undefined;
  return new SystemError(error.errno, error.syscall, missing ?? mount.source);
}
