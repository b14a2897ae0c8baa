import { constants } from 'node:os';
import koffi from 'koffi';
import { encodePath } from '../base/path-bytes.js';
import { SystemError } from './system.js';

const ERRNO_NAMES = new Map(Object.entries(constants.errno).map(([name, value]) => [value, name]));

/** What the last call of this thread was refused for. */
export function fail(syscall: string, path = ''): never {
  const number = koffi.errno();
  throw new SystemError(ERRNO_NAMES.get(number) ?? `errno ${number}`, syscall, path);
}

export function check(result: number, syscall: string, path = ''): number {
  return result < 0 ? fail(syscall, path) : result;
}

/** ASCII and other well-formed names go as they are (koffi encodes them); the rest as bytes. */
export function cString(path: string): string | Buffer {
  return path.isWellFormed() ? path : Buffer.concat([encodePath(path), Buffer.of(0)]);
}
