import { OverlayerError } from '../../../base/errors.js';
import { type AuthEntry, authFilePaths, authKeys, readAuthFile } from './auth-file.js';
import { askCredentialHelper } from './credential-helper.js';
import type { Credentials } from './credentials.js';

export interface FoundCredentials {
  /** The best first. Empty: go on anonymously. */
  readonly credentials: readonly Credentials[];
  /** Problems with files and helpers. They are no failures, since a public image needs no credentials. */
  readonly warnings: readonly string[];
  /** For the error, when the registry refuses: names the file. */
  readonly hint: string;
}

/**
 * What docker or podman would present to a registry. Of the files that `authFilePaths` gives the first decides that has
 * something for it: from the helper for it, else from the helper for all, else from the file itself.
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
      hint: `those for ${domain} are of "${path}": log in again, or ask for access`,
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

/** All that an entry has: a registry that refuses one of them may take another. */
function credentialsOf(entry: AuthEntry | undefined): readonly Credentials[] {
  const { identitytoken, registrytoken } = entry ?? {};
  const named = entry && namedCredentials(entry);
  return [
    ...(identitytoken === undefined ? [] : [{ identityToken: identitytoken }]),
    ...(registrytoken === undefined ? [] : [{ registryToken: registrytoken }]),
    ...(named === undefined ? [] : [named]),
  ];
}

/** As docker's cli/config reads them: `auth`, else `username` and `password`, which many a generator writes. */
function namedCredentials({ auth, username, password }: AuthEntry): Credentials | undefined {
  if (auth === undefined)
    return username === undefined || password === undefined ? undefined : { username, password };
  // Docker cuts off NULs at the end, which old versions wrote (cli/config/configfile).
  const text = Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '');
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
