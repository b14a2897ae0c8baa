import { encodePath } from '../base/path-bytes.js';
import { check, loadLibc } from './libc.js';
import { SystemError } from './system.js';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

/**
 * Reports the state of this process to systemd (sd_notify(3)), if it set `NOTIFY_SOCKET`. The socket is a datagram socket,
 * which Node does not have.
 *
 * @throws SystemError
 */
export function notifySystemd(state: string): void {
  const { NOTIFY_SOCKET: path } = process.env;
  if (path === undefined) return;
  const send = loadLibc().func('int64_t sendto(int, const void *, uint64_t, int, const void *, uint32_t)');
  withSocket(SOCK_DGRAM, path, (descriptor) => {
    const address = addressOf(path);
    const text = Buffer.from(state);
    check(send(descriptor, text, text.length, MSG_NOSIGNAL, address, address.length), 'sendto', path);
  });
}

/**
 * The process that listens on a unix socket (SO_PEERCRED, unix(7)). Node does not tell it.
 *
 * @returns its process id; undefined when no process listens, or it is in another PID namespace
 */
export function findListener(path: string): number | undefined {
  const libc = loadLibc();
  const connect = libc.func('int connect(int, const void *, uint32_t)');
  const getOption = libc.func('int getsockopt(int, int, int, void *, void *)');
  const address = addressOf(path);
  const credentials = new Int32Array(3); // pid, uid, gid
  try {
    withSocket(SOCK_STREAM | SOCK_NONBLOCK, path, (descriptor) => {
      check(connect(descriptor, address, address.length), 'connect', path);
      const length = Uint32Array.of(credentials.byteLength);
      check(getOption(descriptor, SOL_SOCKET, SO_PEERCRED, credentials, length), 'getsockopt', path);
    });
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
  return credentials[0] === 0 ? undefined : credentials[0];
}

function withSocket(type: number, path: string, use: (descriptor: number) => void): void {
  const libc = loadLibc();
  const open = libc.func('int socket(int, int, int)');
  const close = libc.func('int close(int)');
  const descriptor = check(open(AF_UNIX, type | SOCK_CLOEXEC, 0), 'socket', path);
  try {
    use(descriptor);
  } finally {
    close(descriptor);
  }
}

/** struct sockaddr_un. A path that begins with `@` names an abstract socket. */
function addressOf(path: string): Buffer {
  const address = Buffer.concat([Buffer.alloc(2), encodePath(path)]);
  new Uint16Array(address.buffer, address.byteOffset, 1)[0] = AF_UNIX;
  if (path.startsWith('@')) address[2] = 0;
  return address;
}
