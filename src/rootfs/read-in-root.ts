import { realpathSync } from 'node:fs';
import { OverlayerError } from '../base/errors.js';
import { displayPath } from '../base/path-bytes.js';
import { O, S, type System } from '../system/system.js';
import { withChild, withDirectory } from './directory.js';
import { statIfThere } from './lower-layers.js';
import { NO_EVENTS, Rootfs } from './rootfs.js';

/** The kernel's limit. */
const MAX_SYMLINKS = 40;

/**
 * Reads a file as a process with this root directory would. Symlinks can't lead outside of the root (CVE-2024-9676).
 *
 * @param path relative to the root
 * @returns undefined when the file does not exist
 * @throws OverlayerError `InvalidArgument`: not a regular file, or more than 40 symlinks; `ResourceExhausted`: longer than
 *   `maxBytes`; SystemError
 */
export function readInRoot(system: System, root: string, path: string, maxBytes: number): Buffer | undefined {
  return withDirectory(system, realpathSync(root), (descriptor) => {
    const rootfs = new Rootfs(system, descriptor, [], NO_EVENTS);
    try {
      return read(rootfs, path, maxBytes);
    } finally {
      rootfs.close();
    }
  });
}

function read(rootfs: Rootfs, path: string, maxBytes: number): Buffer | undefined {
  const refused = (why: string) =>
    new OverlayerError(
      'InvalidArgument',
      `Cannot read "${displayPath(path)}" of the root filesystem: ${why}`,
    );
  const { system } = rootfs;
  let at = path;
  for (let links = 0; links <= MAX_SYMLINKS; links++) {
    const { parent, name } = split(at);
    const directory = rootfs.open(parent, 'leave');
    const stat = directory && statIfThere(system, directory.descriptor, name);
    if (directory === undefined || stat === undefined) return undefined;
    const type = stat.mode & S.IFMT;
    if (type === S.IFLNK) {
      const target = system.readLink(directory.descriptor, name);
      at = target.startsWith('/') ? target : `${directory.path}/${target}`;
      continue;
    }
    if (type !== S.IFREG) throw refused('it is no regular file');
    return withChild(system, directory.descriptor, name, O.RDONLY | O.NONBLOCK, (file) =>
      readAll(system, file, path, maxBytes),
    );
  }
  throw refused('symlinks lead to symlinks without end');
}

/** Splits off the last name. The parent has no slashes at its ends; the root is ''. */
function split(path: string): { readonly parent: string; readonly name: string } {
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  return { parent: names.slice(0, -1).join('/'), name: names.at(-1) ?? '.' };
}

function readAll(system: System, file: number, path: string, maxBytes: number): Buffer {
  const buffer = Buffer.alloc(maxBytes + 1);
  const address = system.address(buffer);
  let length = 0;
  for (;;) {
    const more = system.read(file, address + length, buffer.length - length);
    length += more;
    if (length > maxBytes)
      throw new OverlayerError(
        'ResourceExhausted',
        `"${displayPath(path)}" of the root filesystem has more than ${maxBytes} bytes`,
      );
    if (more === 0) return buffer.subarray(0, length);
  }
}
