import { constants } from 'node:os';
import { loadKoffi } from '../base/natives.js';
import { cString, type ForeignFunction } from './libc.js';
import { hasProc, procMissing } from './own-proc.js';

/** The numbers are the same on every architecture. Since Linux 6.13. */
const SYS = { setxattrat: 463, getxattrat: 464, listxattrat: 465 } as const;
const AT_SYMLINK_NOFOLLOW = 0x100;
/** struct xattr_args: value 8, size 4, flags 4. */
const ARGUMENTS_BYTES = 16;

type Path = string | Buffer;

/** Results and errno are those of the system calls. */
interface XattrsAt {
  set(directory: number, file: string, name: string, value: Uint8Array): number;
  get(directory: number, file: string, name: string, into: number, size: number): number;
  list(directory: number, file: string, into: number, size: number): number;
}

/**
 * Extended attributes of a name in an open directory, of any type. Opens and follows nothing. An older kernel is asked by a
 * path through /proc, which takes four times as long.
 */
export function bindXattrsAt(fn: (signature: string) => ForeignFunction): XattrsAt {
  const c = {
    setxattrat: fn('int64_t syscall(int64_t, int, const char *, uint32_t, const char *, void *, uint64_t)'),
    listxattrat: fn('int64_t syscall(int64_t, int, const char *, uint32_t, uint64_t, uint64_t)'),
    lsetxattr: fn('int lsetxattr(const char *, const char *, uint64_t, uint64_t, int)'),
    lgetxattr: fn('int64_t lgetxattr(const char *, const char *, uint64_t, uint64_t)'),
    llistxattr: fn('int64_t llistxattr(const char *, uint64_t, uint64_t)'),
  };
  const koffi = loadKoffi();
  const structure = Buffer.alloc(ARGUMENTS_BYTES);
  const structureAddress = Number(koffi.address(structure));
  const putArguments = (value: number, size: number) => {
    structure.writeBigUInt64LE(BigInt(value), 0);
    structure.writeUInt32LE(size, 8);
  };
  let areThere = true;
  const orByPath = (
    directory: number,
    file: string,
    call: (name: Path) => number,
    byPath: (path: Path) => number,
  ): number => {
    if (areThere) {
      const result = call(cString(file));
      const errno = koffi.errno();
      // EPERM may come from the file system, or from a sandbox that blocks the calls: the path decides.
      if (result >= 0 || ![constants.errno.ENOSYS, constants.errno.EPERM].includes(errno)) return result;
    }
    // The descriptor's link is the directory; the calls do not follow the last name.
    const result = byPath(cString(`/proc/self/fd/${directory}/${file}`));
    if (result >= 0) areThere = false;
    else if (koffi.errno() === constants.errno.ENOENT && !hasProc())
      throw procMissing(`Cannot look at "${file}"`);
    return result;
  };
  const callWithArguments = (number: number, directory: number, file: Path, name: string) =>
    c.setxattrat(
      number,
      directory,
      file,
      AT_SYMLINK_NOFOLLOW,
      cString(name),
      structureAddress,
      ARGUMENTS_BYTES,
    );
  return {
    set(directory, file, name, value) {
      const address = Number(koffi.address(value));
      putArguments(address, value.length);
      return orByPath(
        directory,
        file,
        (at) => callWithArguments(SYS.setxattrat, directory, at, name),
        (path) => c.lsetxattr(path, cString(name), address, value.length, 0),
      );
    },
    get(directory, file, name, into, size) {
      putArguments(into, size);
      return orByPath(
        directory,
        file,
        (at) => callWithArguments(SYS.getxattrat, directory, at, name),
        (path) => c.lgetxattr(path, cString(name), into, size),
      );
    },
    list: (directory, file, into, size) =>
      orByPath(
        directory,
        file,
        (at) => c.listxattrat(SYS.listxattrat, directory, at, AT_SYMLINK_NOFOLLOW, into, size),
        (path) => c.llistxattr(path, into, size),
      ),
  };
}
