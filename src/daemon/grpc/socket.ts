import { once } from 'node:events';
import { existsSync, fstatSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rename, rm, rmdir, stat } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { OverlayerError } from '../../base/errors.js';
import { makeLockedDirectory } from '../../rootfs/lock-directory.js';
import { toOverlayerError } from '../../system/errno-code.js';
import { openLinuxSystem } from '../../system/linux.js';
import { AT_FDCWD, type System } from '../../system/system.js';

/** A unix socket that the daemon listens on. */
export interface ListeningSocket {
  readonly address: string;
  /** Accepts no more connections, and keeps those that are open. Deletes the socket, unless systemd owns it. */
  close(): Promise<void>;
  /** Settles when the last connection has ended, after `close`. */
  readonly disconnected: Promise<unknown>;
}

/** `sun_path` has 108 bytes (unix(7)). Node truncates a longer path and listens at the wrong place. */
const LONGEST = 107;
/** Prefix of the temporary directory that the socket is made in. */
const TEMPORARY = '.s';
/** Characters that `mkdtemp` adds. */
const RANDOM_LENGTH = 6;

export type OnConnection = (connection: Socket) => void;

/**
 * Listens on a unix socket that only its owner may connect to. The socket of a process that has ended is replaced.
 *
 * @throws OverlayerError `Unavailable`: another process listens there; `AlreadyExists`: the path exists and is not a
 * socket;
 * `NotFound`: the directory does not exist; `InvalidArgument`: the path is too long for a socket
 */
export async function listenOn(address: string, onConnection: OnConnection): Promise<ListeningSocket> {
  const system = openLinuxSystem();
  const failure = `Cannot listen on "${address}"`;
  await checkPlace(address, failure);
  try {
    const release = takeLock(system, address);
    try {
      // Another program may listen there without our lock.
      if (await isAlive(address)) throw inUse(address);
      const server = await listenPrivately(address, onConnection);
      return {
        address,
        disconnected: once(server, 'close'),
        async close() {
          server.close();
          await rm(address, { force: true });
          release();
        },
      };
    } catch (error) {
      release();
      throw error;
    }
  } catch (error) {
    throw toOverlayerError(error, failure);
  }
}

async function checkPlace(address: string, failure: string): Promise<void> {
  const directory = dirname(address);
  if (!existsSync(directory))
    throw new OverlayerError('NotFound', `${failure}: there is no directory "${directory}"`, {
      hint: 'make the directory first',
    });
  const tooLong = [address, join(directory, TEMPORARY + '-'.repeat(RANDOM_LENGTH), 's')].find(
    (path) => Buffer.byteLength(path) > LONGEST,
  );
  if (tooLong !== undefined)
    throw new OverlayerError(
      'InvalidArgument',
      `${failure}: the path of a socket has at most ${LONGEST} bytes, and "${tooLong}" has more`,
    );
  const there = await stat(address).catch(() => undefined);
  if (there !== undefined && !there.isSocket())
    throw new OverlayerError('AlreadyExists', `${failure}: the path exists and is not a socket`, {
      hint: 'choose another path, or move the file away',
    });
}

/**
 * Locks the address. The lock is a directory beside the socket, and ends with the process.
 *
 * @returns ends the lock
 * @throws OverlayerError `Unavailable`: another process has the lock
 */
function takeLock(system: System, address: string): () => void {
  const path = `${address}.lock`;
  const lock = makeLockedDirectory(system, AT_FDCWD, path);
  if (lock === 'held') throw inUse(address);
  return () => {
    // Removed while locked: a process that has opened it meanwhile gets a lock on a removed directory, and tries again.
    system.removeDirectory(AT_FDCWD, path);
    system.close(lock);
  };
}

async function isAlive(address: string): Promise<boolean> {
  const connection = connect(address);
  try {
    await once(connection, 'connect');
    return true;
  } catch (error) {
    if (['ENOENT', 'ECONNREFUSED'].includes((error as NodeJS.ErrnoException).code!)) return false;
    throw error;
  } finally {
    connection.destroy();
  }
}

/** Makes the socket in a private directory, because bind(2) takes its mode from the umask. The rename publishes it. */
async function listenPrivately(address: string, onConnection: OnConnection): Promise<Server> {
  const directory = await mkdtemp(join(dirname(address), TEMPORARY));
  const path = join(directory, 's');
  const server = createServer(onConnection);
  try {
    server.listen(path);
    await once(server, 'listening');
    await chmod(path, 0o600);
    await rename(path, address);
    return server;
  } catch (error) {
    server.close();
    throw error;
  } finally {
    await rm(path, { force: true });
    await rmdir(directory);
  }
}

function inUse(address: string): OverlayerError {
  return new OverlayerError('Unavailable', `Another process listens on "${address}"`);
}

/** The first descriptor that systemd passes (sd_listen_fds(3)). */
const FIRST_DESCRIPTOR = 3;

/**
 * Takes over the socket that systemd listens on (systemd.socket(5)). systemd keeps it open, so clients that connect
 * while no daemon runs wait for the next one.
 *
 * @returns undefined when systemd passed no socket
 * @throws OverlayerError `InvalidArgument`: systemd passed several sockets, or a descriptor that is not a socket
 */
export async function activatedSocket(onConnection: OnConnection): Promise<ListeningSocket | undefined> {
  const { LISTEN_PID, LISTEN_FDS } = process.env;
  if (LISTEN_PID !== String(process.pid)) return undefined;
  // Child processes must not take them for theirs.
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete process.env[name];
  if (LISTEN_FDS !== '1')
    throw new OverlayerError('InvalidArgument', `systemd passed ${LISTEN_FDS} sockets instead of one`);
  const server = createServer(onConnection);
  try {
    server.listen({ fd: FIRST_DESCRIPTOR });
    await once(server, 'listening');
  } catch (cause) {
    throw new OverlayerError(
      'InvalidArgument',
      `Descriptor ${FIRST_DESCRIPTOR} from systemd is not a socket`,
      {
        hint: 'start the daemon by its socket unit, or with --address',
        cause,
      },
    );
  }
  return {
    address: addressOf(FIRST_DESCRIPTOR),
    disconnected: once(server, 'close'),
    async close() {
      server.close();
    },
  };
}

/** The path that a listening socket is bound to. Node does not know it for a descriptor, so the kernel is asked. */
function addressOf(descriptor: number): string {
  const inode = String(fstatSync(descriptor, { bigint: true }).ino);
  for (const line of readFileSync('/proc/net/unix', 'utf8').split('\n')) {
    // Num RefCount Protocol Flags Type St Inode Path
    const [, found, path] = /^(?:\S+ +){6}(\d+) (.+)$/.exec(line) ?? [];
    if (found === inode) return path!;
  }
  return `descriptor ${descriptor}`; // bound in another network namespace
}

/** The open connections. */
export class Connections {
  readonly #open = new Set<Socket>();

  add(connection: Socket): void {
    this.#open.add(connection);
    connection.once('close', () => this.#open.delete(connection));
  }

  /** Resolves when no connection is left. */
  async none(): Promise<void> {
    for (const connection of this.#open)
      await new Promise<void>((resolve) => connection.once('close', () => resolve()));
  }
}
