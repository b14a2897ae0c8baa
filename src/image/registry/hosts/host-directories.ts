import { readdirSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { OverlayerError } from '../../../base/errors.js';
import { inHome, xdgDirectory } from '../user-directories.js';
import type { HostEntry } from './hosts-file.js';
import { readSmallFile } from './read-small-file.js';
import { certificatesIn, NO_SETTINGS, type TLSSettings } from './server-trust.js';

const MAX_FILE_BYTES = 4 * 1024 ** 2;

/** The directories of containerd, docker and podman for the configuration of registries, the user's first. */
function defaultDirectories(): readonly string[] {
  const own = xdgDirectory('XDG_CONFIG_HOME') ?? inHome('.config') ?? [];
  return ['containerd', 'docker', 'containers'].flatMap((name) =>
    [own, '/etc'].flat().map((place) => join(place, name, 'certs.d')),
  );
}

/** The configuration of registries: a directory for each, with a `hosts.toml` or with certificates (`*.crt`, `*.cert`, `*.key`). */
export class HostDirectories {
  /** Problems that do not stop a pull. */
  readonly warnings: string[] = [];
  readonly #directories: readonly string[];

  constructor(directories: readonly string[] = defaultDirectories()) {
    this.#directories = directories.filter((directory) => this.#isDirectory(directory));
  }

  /**
   * Reads the servers for a registry; undefined when no `hosts.toml` exists.
   *
   * @throws OverlayerError `InvalidArgument`, `PermissionDenied`: the file decides which server is asked, so its errors are fatal
   */
  async servers(host: string): Promise<readonly HostEntry[] | undefined> {
    for (const directory of this.#of(host)) {
      const path = join(directory, 'hosts.toml');
      const text = await readTrusted(path);
      if (text === undefined) continue;
      const { parseHostsFile } = await import('./hosts-file.js');
      return await parseHostsFile(text, path);
    }
    return undefined;
  }

  /** Docker's pattern: `*.crt` are authorities for the server, `NAME.cert` with `NAME.key` a certificate of the client. */
  async certificates(host: string): Promise<TLSSettings> {
    const settings = { ...NO_SETTINGS, ca: [] as string[], clients: [] as { cert: string; key: string }[] };
    for (const directory of this.#of(host)) {
      const names = this.#list(directory);
      // Certificates beside a hosts.toml belong to the servers that the file assigns them to.
      if (names.includes('hosts.toml')) continue;
      const read = async (name: string) => await this.#readOrWarn(join(directory, name));
      for (const name of names) {
        if (name.endsWith('.crt')) settings.ca.push(...((await read(name)) ?? []));
        if (!name.endsWith('.cert')) continue;
        const [[cert], [key]] = [(await read(name)) ?? [], (await read(name.replace(/cert$/, 'key'))) ?? []];
        if (cert !== undefined && key !== undefined) settings.clients.push({ cert, key });
      }
    }
    return settings;
  }

  /** The contents of the files that an entry of a `hosts.toml` names. @throws OverlayerError `NotFound`, `PermissionDenied`, `InvalidArgument` */
  async settings({ ca, clients, skipVerify }: HostEntry): Promise<TLSSettings> {
    const read = async (path: string) => {
      const text = await readTrusted(path);
      if (text === undefined)
        throw new OverlayerError('NotFound', `"${path}", which a hosts.toml names, does not exist`);
      return text;
    };
    const readAuthority = async (path: string) => {
      const text = await read(path);
      if (certificatesIn(text).length > 0) return text;
      throw new OverlayerError('InvalidArgument', `"${path}", which a hosts.toml names, has no certificate`);
    };
    return {
      ca: await Promise.all(ca.map(readAuthority)),
      clients: await Promise.all(
        clients.map(async ([cert, key]) => ({ cert: await read(cert), key: await read(key) })),
      ),
      skipVerify,
    };
  }

  /** The directory of a registry in each of them: `host_port_` (containerd's spelling), `host:port`, else `_default`. */
  #of(host: string): readonly string[] {
    const names = [host.replace(/:(\d+)$/, '_$1_'), host, '_default'];
    return this.#directories.flatMap(
      (directory) => names.map((name) => join(directory, name)).find((path) => this.#isDirectory(path)) ?? [],
    );
  }

  #isDirectory(path: string): boolean {
    return this.#orWarn(path, () => statSync(path, { throwIfNoEntry: false })?.isDirectory()) ?? false;
  }

  #list(path: string): readonly string[] {
    return this.#orWarn(path, () => readdirSync(path).sort()) ?? [];
  }

  #orWarn<T>(path: string, look: () => T): T | undefined {
    try {
      return look();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      this.warnings.push(`Cannot look into "${path}" (${code}); going on without`);
      return undefined;
    }
  }

  async #readOrWarn(path: string): Promise<readonly string[] | undefined> {
    try {
      const text = await readTrusted(path);
      if (text !== undefined) return [text];
      this.warnings.push(`"${path}" does not exist; going on without`);
    } catch (error) {
      if (!OverlayerError.is(error)) throw error;
      this.warnings.push(`${error.message}; going on without`);
    }
    return undefined;
  }
}

async function readTrusted(path: string): Promise<string | undefined> {
  return await readSmallFile(path, MAX_FILE_BYTES, (stats) => checkOwner(path, stats));
}

/** Files of the real root have the owner of the root directory in a user namespace. */
function checkOwner(path: string, { uid, mode }: Stats): void {
  const owners = [0, process.geteuid?.(), statSync('/').uid];
  if (!owners.includes(uid))
    throw new OverlayerError('PermissionDenied', `"${path}" is neither yours nor root's, but of user ${uid}`);
  if ((mode & 0o002) !== 0)
    throw new OverlayerError('PermissionDenied', `"${path}" is writable by everybody`);
}
