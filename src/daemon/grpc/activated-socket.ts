import { once } from 'node:events';
import { fstatSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { OverlayerError } from '../../base/errors.js';
import type { ListeningSocket, OnConnection } from './socket.js';

/** sd_listen_fds(3): descriptors that are handed over begin here. */
const FIRST = 3;

/**
 * The socket that systemd listens on in our stead (systemd.socket(5)), until somebody connects. It stays systemd's: it is
 * there also while no daemon runs, and whoever connects then is kept waiting.
 *
 * @returns undefined when there is none
 * @throws OverlayerError `InvalidArgument`: there are several; it is none
 */
export async function activatedSocket(onConnection: OnConnection): Promise<ListeningSocket | undefined> {
  const { LISTEN_PID, LISTEN_FDS } = process.env;
  if (LISTEN_PID !== String(process.pid)) return undefined;
  // They are not for programs that this one runs.
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete process.env[name];
  if (LISTEN_FDS !== '1')
    throw new OverlayerError('InvalidArgument', `systemd hands over ${LISTEN_FDS} sockets, and not one`);
  const server = createServer(onConnection);
  try {
    server.listen({ fd: FIRST });
    await once(server, 'listening');
  } catch (cause) {
    throw new OverlayerError(
      'InvalidArgument',
      `Descriptor ${FIRST}, which systemd hands over, is no socket`,
      {
        hint: 'start it by its socket unit, or with --address',
        cause,
      },
    );
  }
  return {
    address: addressOf(FIRST),
    disconnected: once(server, 'close'),
    async close() {
      server.close();
    },
  };
}

/** The path that a listening socket is bound to, as the kernel tells it: Node knows none of a descriptor it is given. */
function addressOf(descriptor: number): string {
  const inode = String(fstatSync(descriptor, { bigint: true }).ino);
  for (const line of readFileSync('/proc/net/unix', 'utf8').split('\n')) {
    // Num RefCount Protocol Flags Type St Inode Path
    const [, found, path] = /^(?:\S+ +){6}(\d+) (.+)$/.exec(line) ?? [];
    if (found === inode) return path!;
  }
  return `descriptor ${descriptor}`; // bound in another network namespace
}
