import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rename, rm, rmdir, stat } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { OverlayerError } from '../../base/errors.js';
import { lockDirectory } from '../../rootfs/lock-directory.js';
import { toOverlayerError } from '../../system/errno-code.js';
import { openLinuxSystem } from '../../system/linux.js';
import { AT_FDCWD, isErrno, type System } from '../../system/system.js';

/** A unix socket on which a server listens. */
export interface ListeningSocket {
  readonly address: string;
  /** Takes no more connections; those that are there stay. Its file goes, where it is ours. */
  close(): Promise<void>;
  /** Settles when the last connection has ended, after `close`. */
  readonly disconnected: Promise<unknown>;
}

/** unix(7): of the 108 bytes of `sun_path`. Node cuts a longer path off, and listens somewhere else. */
const LONGEST = 107;
/** Of the directory that a socket is made in; six characters follow. */
const TEMPORARY = '.s';

export type OnConnection = (connection: Socket) => void;

/**
 * Listens on a unix socket that nobody but its owner may connect to. One that a dead process has left is taken over.
 *
 * @throws OverlayerError `Unavailable`: another process listens there; `AlreadyExists`: something else than a socket is
 * there; `NotFound`: its directory is not; `InvalidArgument`: the path is too long for a socket
 */
export async function listenOn(address: string, onConnection: OnConnection): Promise<ListeningSocket> {
  const system = openLinuxSystem();
  const failure = `Cannot listen on "${address}"`;
  await checkPlace(address, failure);
  try {
    const release = takeLock(system, address);
    try {
      // One that knows nothing of our lock.
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
      hint: 'make it first',
    });
  const tooLong = [address, join(directory, `${TEMPORARY}XXXXXX`, 's')].find(
    (path) => Buffer.byteLength(path) > LONGEST,
  );
  if (tooLong !== undefined)
    throw new OverlayerError(
      'InvalidArgument',
      `${failure}: the path of a socket has ${LONGEST} bytes at the most, and "${tooLong}" has more`,
    );
  const there = await stat(address).catch(() => undefined);
  if (there !== undefined && !there.isSocket())
    throw new OverlayerError('AlreadyExists', `${failure}: something is there that is no socket`, {
      hint: 'choose another path, or move it away',
    });
}

/** The lock is a directory beside the socket, for as long as the process lives that holds it. */
function takeLock(system: System, address: string): () => void {
  const path = `${address}.lock`;
  for (;;) {
    try {
      system.makeDirectory(AT_FDCWD, path, 0o700);
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    }
    const lock = lockDirectory(system, AT_FDCWD, path);
    if (lock === 'held') throw inUse(address);
    if (lock === 'gone') continue;
    return () => {
      // First: whoever has it open meanwhile sees that it is gone, and makes a new one.
      system.removeDirectory(AT_FDCWD, path);
      system.close(lock);
    };
  }
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

/** A socket is made with the mode that the umask leaves: it gets its own where nobody else can reach it. */
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
