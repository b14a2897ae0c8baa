import { encodePath } from '../base/path-bytes.js';
import { check, loadLibc } from './libc.js';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;

/**
 * Reports the state of this process to systemd (sd_notify(3)), if it set `NOTIFY_SOCKET`. The socket is a datagram socket,
 * which Node does not have.
 *
 * @throws SystemError
 */
export function notifySystemd(state: string): void {
  const { NOTIFY_SOCKET: path } = process.env;
  if (path === undefined) return;
  const libc = loadLibc();
  const open = libc.func('int socket(int, int, int)');
  const send = libc.func('int64_t sendto(int, const void *, uint64_t, int, const void *, uint32_t)');
  const close = libc.func('int close(int)');
  const descriptor = check(open(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), 'socket', path);
  try {
    const address = Buffer.concat([Buffer.alloc(2), encodePath(path)]);
    new Uint16Array(address.buffer, address.byteOffset, 1)[0] = AF_UNIX;
    if (path.startsWith('@')) address[2] = 0; // an abstract socket
    const text = Buffer.from(state);
    check(send(descriptor, text, text.length, MSG_NOSIGNAL, address, address.length), 'sendto', path);
  } finally {
    close(descriptor);
  }
}
