import { askCredentialHelper } from './credential-helper.js';
import type { Credentials } from './credentials.js';
import { type AuthEntry, configKeys, readDockerConfig } from './docker-config.js';

/**
 * What docker or podman would present to a registry: from the helper for it, else from the helper for all, else from
 * the configuration itself.
 *
 * @param domain of the registry
 * @throws OverlayerError as `readDockerConfig` and `askCredentialHelper`
 */
export async function findCredentials(domain: string, repository: string): Promise<Credentials | undefined> {
  const { auths, credHelpers, credsStore } = await readDockerConfig();
  const keys = configKeys(domain, repository);
  const helper = keys.map((key) => credHelpers.get(key)).find((name) => name !== undefined) ?? credsStore;
  if (helper !== undefined) {
    const found = await askCredentialHelper(helper, helperKey(domain));
    if (found !== undefined) return found;
  }
  const entry = keys.map((key) => auths.get(key)).find((auth) => auth !== undefined);
  return entry === undefined ? undefined : credentialsOf(entry);
}

function helperKey(domain: string): string {
  return domain === 'docker.io' ? 'https://index.docker.io/v1/' : domain;
}

function credentialsOf({ auth, identitytoken, registrytoken }: AuthEntry): Credentials | undefined {
  if (identitytoken !== undefined) return { identityToken: identitytoken };
  if (registrytoken !== undefined) return { registryToken: registrytoken };
  if (auth === undefined) return undefined;
  // Docker cuts off NULs at the end, which old versions wrote (cli/config/configfile).
  const text = Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '');
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
