import koffi from 'koffi';

const libc = koffi.load('libc.so.6');
const llistxattr = libc.func('int64_t llistxattr(const void *path, _Out_ uint8_t *list, uint64_t size)');
const lgetxattr = libc.func(
  'int64_t lgetxattr(const void *path, const void *name, _Out_ uint8_t *value, uint64_t size)',
);
const lsetxattr = libc.func(
  'int lsetxattr(const void *path, const void *name, const void *value, uint64_t size, int flags)',
);

const MAX_VALUE = 65536; // the kernel's XATTR_SIZE_MAX
const buffer = Buffer.alloc(MAX_VALUE);

/** Extended attributes of `path` itself, in the order of their names. */
export function readXattrs(path: Buffer): Record<string, string> {
  const file = terminated(path);
  const length = Number(llistxattr(file, buffer, MAX_VALUE));
  if (length <= 0) return {};
  const names = buffer
    .toString('latin1', 0, length - 1)
    .split('\0')
    .sort();
  return Object.fromEntries(names.map((name) => [name, readValue(file, name)]));
}

/** Sets an attribute of `path` itself. */
export function setXattr(path: string, name: string, value: string): void {
  const bytes = Buffer.from(value, 'latin1');
  if (lsetxattr(terminated(path), terminated(name), bytes, bytes.length, 0) !== 0)
    throw new Error(`Cannot set ${name} of ${path}`);
}

function readValue(file: Buffer, name: string): string {
  const length = Number(lgetxattr(file, terminated(name), buffer, MAX_VALUE));
  return length < 0 ? '(unreadable)' : buffer.toString('latin1', 0, length);
}

function terminated(text: string | Buffer): Buffer {
  return Buffer.concat([Buffer.from(text as string), Buffer.from([0])]);
}
