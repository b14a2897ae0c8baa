import { open } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { OverlayerError } from '../../base/errors.js';

const MAX_CONFIG_BYTES = 4 * 1024 ** 2;

/** What `docker login` or `podman login` wrote down, as far as it is about credentials. */
export interface DockerConfig {
  /** By registry, in the forms that `configKeys` gives. */
  readonly auths: ReadonlyMap<string, AuthEntry>;
  /** Name of the helper that has them all: `docker-credential-NAME`. */
  readonly credsStore: string | undefined;
  /** Names of helpers by registry. */
  readonly credHelpers: ReadonlyMap<string, string>;
}

export interface AuthEntry {
  /** Base64 of `user:password`. */
  readonly auth: string | undefined;
  readonly identitytoken: string | undefined;
  readonly registrytoken: string | undefined;
}

/** `REGISTRY_AUTH_FILE`, or `config.json` in `DOCKER_CONFIG` or `~/.docker`. */
function configPath(): string {
  const { REGISTRY_AUTH_FILE, DOCKER_CONFIG } = process.env;
  return REGISTRY_AUTH_FILE || join(DOCKER_CONFIG || join(homedir(), '.docker'), 'config.json');
}

/** Nothing where there is no file. @throws OverlayerError `InvalidArgument`, `PermissionDenied` */
export async function readDockerConfig(): Promise<DockerConfig> {
  const path = configPath();
  const json = await readJson(path);
  const texts = ([key, value]: [string, unknown]): [string, string][] =>
    typeof value === 'string' && value !== '' ? [[normalKey(key), value]] : [];
  const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
  const entry = ([key, value]: [string, unknown]): [string, AuthEntry] => {
    const { auth, identitytoken, registrytoken } = fields(value);
    return [
      normalKey(key),
      { auth: text(auth), identitytoken: text(identitytoken), registrytoken: text(registrytoken) },
    ];
  };
  const { auths, credsStore, credHelpers } = fields(json);
  return {
    auths: new Map(Object.entries(fields(auths)).map(entry)),
    credsStore: text(credsStore),
    credHelpers: new Map(Object.entries(fields(credHelpers)).flatMap(texts)),
  };
}

/** What a registry's entry may be called, the most exact name first: podman has them for repositories too. */
export function configKeys(domain: string, repository: string): string[] {
  const parts = [domain, ...repository.split('/')];
  return parts.map((_, index) => parts.slice(0, parts.length - index).join('/'));
}

/** Docker calls its own registry `https://index.docker.io/v1/`, and others with or without a protocol. */
function normalKey(key: string): string {
  const bare = key.replace(/^https?:\/\//, '').replace(/(?:\/v[12])?\/?$/, '');
  return bare === 'index.docker.io' || bare === 'registry-1.docker.io' ? 'docker.io' : bare;
}

function fields(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    const file = await open(path);
    try {
      const { size } = await file.stat();
      if (size > MAX_CONFIG_BYTES)
        throw new OverlayerError('InvalidArgument', `"${path}" has more than ${MAX_CONFIG_BYTES} bytes`);
      text = await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return {};
    if (OverlayerError.is(cause)) throw cause;
    throw new OverlayerError('PermissionDenied', `Cannot read "${path}" for credentials`, {
      cause,
      errno: code,
    });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new OverlayerError('InvalidArgument', `Cannot read "${path}" for credentials: it is no JSON`, {
      cause,
    });
  }
}
