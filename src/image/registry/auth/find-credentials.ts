import { join } from 'node:path';
import { OverlayerError } from '../../../base/errors.js';
import { readSmallFile } from '../hosts/read-small-file.js';
import { inHome, xdgDirectory } from '../user-directories.js';
import { askCredentialHelper } from './credential-helper.js';
import type { Credentials } from './credentials.js';

export interface FoundCredentials {
  /** Best first. Empty: continue anonymously. */
  readonly credentials: readonly Credentials[];
  /** Problems with files and helpers. They are not failures, since public images need no credentials. */
  readonly warnings: readonly string[];
  /** Hint for the error of a refusal. It names the file. */
  readonly hint: string;
}

/**
 * Finds the credentials that docker or podman would use. The first file of `authFilePaths` with credentials for the registry
 * counts. They are taken from its helper for the registry, else from its helper for all registries, else from the file.
 *
 * @param domain of the registry
 */
export async function findCredentials(domain: string, repository: string): Promise<FoundCredentials> {
  const warnings: string[] = [];
  const paths = authFilePaths();
  for (const path of paths) {
    const credentials = await findInFile(path, domain, repository, warnings);
    if (credentials.length === 0) continue;
    return {
      credentials,
      warnings,
      hint: `the credentials in "${path}" do not suffice for ${domain}: log in again, or request access`,
    };
  }
  const places = paths.map((path) => `"${path}"`).join(', ');
  const none = `is the name right? if so: there are no credentials for ${domain} in ${places}: docker login, podman login or skopeo login, or --username`;
  return { credentials: [], warnings, hint: [...warnings, none].join('; ') };
}

async function findInFile(
  path: string,
  domain: string,
  repository: string,
  warnings: string[],
): Promise<readonly Credentials[]> {
  const warn = (error: unknown) => {
    if (!OverlayerError.is(error)) throw error;
    warnings.push(`${error.message}; going on without`);
    return undefined;
  };
  const file = await readAuthFile(path).catch(warn);
  if (file === undefined) return [];
  const keys = authKeys(domain, repository);
  const helper = keys.map((key) => file.credHelpers.get(key)).find(Boolean) ?? file.credsStore;
  if (helper !== undefined) {
    const found = await askCredentialHelper(helper, helperKey(domain), path).catch(warn);
    if (found !== undefined) return [found];
  }
  const entries = keys.map((key) => credentialsOf(file.auths.get(key)));
  return entries.find(({ length }) => length > 0) ?? [];
}

function helperKey(domain: string): string {
  return domain === 'docker.io' ? 'https://index.docker.io/v1/' : domain;
}

/** All credentials of an entry: a registry that refuses one may accept another. */
function credentialsOf(entry: AuthEntry | undefined): readonly Credentials[] {
  const { identitytoken, registrytoken } = entry ?? {};
  const named = entry && namedCredentials(entry);
  return [
    ...(identitytoken === undefined ? [] : [{ identityToken: identitytoken }]),
    ...(registrytoken === undefined ? [] : [{ registryToken: registrytoken }]),
    ...(named === undefined ? [] : [named]),
  ];
}

/** Reads what docker's cli/config reads: `auth`, else `username` and `password`, which some tools write. */
function namedCredentials({ auth, username, password }: AuthEntry): Credentials | undefined {
  if (auth === undefined)
    return username === undefined || password === undefined ? undefined : { username, password };
  // Docker removes NULs at the end, which old versions wrote (cli/config/configfile).
  const text = Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '');
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

const MAX_FILE_BYTES = 4 * 1024 ** 2;

/** The credentials in a file of `docker login`, `podman login` or `skopeo login`. */
interface AuthFile {
  /** Entries by registry, with keys in the form of `authKeys`. */
  readonly auths: ReadonlyMap<string, AuthEntry>;
  /** Name of the helper for all registries: `docker-credential-NAME`. */
  readonly credsStore: string | undefined;
  /** Names of helpers by registry. */
  readonly credHelpers: ReadonlyMap<string, string>;
}

interface AuthEntry {
  /** Base64 of `user:password`. */
  readonly auth: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly identitytoken: string | undefined;
  readonly registrytoken: string | undefined;
}

/**
 * The file of `REGISTRY_AUTH_FILE` alone, or: docker's (`config.json` in `DOCKER_CONFIG` or `~/.docker`), podman's
 * (`containers/auth.json` in `XDG_RUNTIME_DIR`, or `/run/containers/UID/auth.json`), and the one of podman that survives a
 * restart (`containers/auth.json` in `XDG_CONFIG_HOME` or `~/.config`; containers-auth.json(5)).
 */
export function authFilePaths(): readonly string[] {
  const { REGISTRY_AUTH_FILE, DOCKER_CONFIG } = process.env;
  if (REGISTRY_AUTH_FILE) return [REGISTRY_AUTH_FILE];
  const ofPodman = join('containers', 'auth.json');
  const runtime = xdgDirectory('XDG_RUNTIME_DIR');
  const docker = DOCKER_CONFIG || inHome('.docker');
  const config = xdgDirectory('XDG_CONFIG_HOME') ?? inHome('.config');
  return [
    docker && join(docker, 'config.json'),
    runtime ? join(runtime, ofPodman) : `/run/containers/${process.geteuid?.() ?? 0}/auth.json`,
    config && join(config, ofPodman),
  ].filter((path) => path !== undefined);
}

/** @returns undefined where there is no file @throws OverlayerError `InvalidArgument`, `PermissionDenied` */
async function readAuthFile(path: string): Promise<AuthFile | undefined> {
  const text = await readSmallFile(path, MAX_FILE_BYTES);
  if (text === undefined) return undefined;
  const { auths, credsStore, credHelpers } = fields(parse(text, path));
  return {
    auths: new Map(Object.entries(fields(auths)).map(([key, value]) => [normalKey(key), entryOf(value)])),
    credsStore: textOf(credsStore),
    credHelpers: new Map(
      Object.entries(fields(credHelpers)).flatMap(([key, value]): [string, string][] => {
        const name = textOf(value);
        return name === undefined ? [] : [[normalKey(key), name]];
      }),
    ),
  };
}

/** Keys of a registry's entry, the most specific first. podman also has entries for repositories. */
function authKeys(domain: string, repository: string): string[] {
  const parts = [domain, ...repository.split('/')];
  return parts.map((_, index) => parts.slice(0, parts.length - index).join('/'));
}

/** Docker calls its own registry `https://index.docker.io/v1/`, and others with or without a protocol. */
function normalKey(key: string): string {
  const bare = key.replace(/^https?:\/\//, '').replace(/(?:\/v[12])?\/?$/, '');
  return bare === 'index.docker.io' || bare === 'registry-1.docker.io' ? 'docker.io' : bare;
}

function entryOf(value: unknown): AuthEntry {
  const { auth, username, password, identitytoken, registrytoken } = fields(value);
  return {
    auth: textOf(auth),
    username: textOf(username),
    password: textOf(password),
    identitytoken: textOf(identitytoken),
    registrytoken: textOf(registrytoken),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function fields(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new OverlayerError('InvalidArgument', `"${path}" is no JSON`, { cause });
  }
}
