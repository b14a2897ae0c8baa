import type { Reference } from '../reference.js';
import { Authorizer } from './auth/authorizer.js';
import type { Credentials } from './auth/credentials.js';
import { type FoundCredentials, findCredentials } from './auth/find-credentials.js';
import { Endpoint } from './endpoint.js';
import type { RegistryHost } from './hosts/registry-host.js';
import { isForeign } from './hosts/registry-hosts.js';
import { HttpClient } from './http/http-client.js';
import type { Patience } from './http/http-exchange.js';
import type { RegistryNotice } from './registry-notice.js';

export interface OpenEndpointOptions extends Patience {
  /** For the registry itself. */
  readonly credentials: Credentials | undefined;
  readonly ending: AbortSignal;
  readonly tell: (notice: RegistryNotice) => void;
}

/** A repository at a server. Its credentials go to no other server. */
export function openEndpoint(
  host: RegistryHost,
  { domain, repository }: Reference,
  { credentials, tell, ...options }: OpenEndpointOptions,
): Endpoint {
  const { hostname, host: name } = host.urls[0]!;
  const { tls, plainHTTP } = host;
  const client = new HttpClient({ ...options, hostname, tls, plainHTTP });
  const scope = `repository:${repository}:pull`;
  const authorizer = new Authorizer(client, scope, async () => {
    if (!host.isMirror && credentials !== undefined) return given(credentials);
    const found = await findCredentials(host.isMirror ? name : domain, repository);
    for (const message of found.warnings) tell({ type: 'warning', message });
    return found;
  });
  const bases = host.urls.map((url) => repositoryURL(url, { domain, repository }));
  return new Endpoint(host, { client, bases, authorizer, scope });
}

function given(credentials: Credentials): FoundCredentials {
  const hint = 'it refuses the credentials that were given; is the name right?';
  return { credentials: [credentials], warnings: [], hint };
}

/** `https://registry.example/v2/library/debian/`; of another server's, with `?ns=docker.io` (containerd, docs/hosts.md). */
function repositoryURL(api: URL, { domain, repository }: Pick<Reference, 'domain' | 'repository'>): URL {
  const url = new URL(`${api.pathname.replace(/\/$/, '')}/${repository}/`, api);
  if (isForeign(api, domain)) url.searchParams.set('ns', domain);
  return url;
}
