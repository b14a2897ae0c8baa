import { OverlayerError } from '../../base/errors.js';
import type { Reference } from '../reference.js';
import { Authorizer } from './authorizer.js';
import type { Credentials } from './credentials.js';
import { Endpoint } from './endpoint.js';
import { findCredentials } from './find-credentials.js';
import type { HttpClient } from './http-client.js';
import { isLoopback } from './loopback.js';

export interface EndpointOptions {
  readonly credentials?: Credentials | undefined;
  readonly mirrors?: Readonly<Record<string, readonly string[]>> | undefined;
  readonly plainHTTP?: boolean | undefined;
}

/**
 * Who is asked for a repository, in this order: its registry's mirrors, and itself. What one is told of who asks, no
 * other is.
 *
 * @throws OverlayerError `InvalidArgument` for a mirror that is no URL, or has no TLS and `plainHTTP` is not given
 */
export function endpointsOf(
  { domain, repository }: Reference,
  client: HttpClient,
  { credentials, mirrors = {}, plainHTTP = false }: EndpointOptions,
): Endpoint[] {
  const scope = `repository:${repository}:pull`;
  const authorizer = (host: string, given?: Credentials) =>
    new Authorizer(client, scope, async () => given ?? (await findCredentials(host, repository)));
  const mirrorURLs = (mirrors[domain] ?? []).map((text) => mirrorURL(text, plainHTTP));
  return [
    ...mirrorURLs.map(
      (url) => new Endpoint(true, [repositoryURL(url, repository)], client, authorizer(url.host)),
    ),
    new Endpoint(
      false,
      registryURLs(domain, plainHTTP).map((url) => repositoryURL(url, repository)),
      client,
      authorizer(domain, credentials),
    ),
  ];
}

/** A registry on this machine often has no TLS; that is found out. */
function registryURLs(domain: string, plainHTTP: boolean): URL[] {
  const host = domain === 'docker.io' ? 'registry-1.docker.io' : domain;
  const [secure, plain] = [new URL(`https://${host}`), new URL(`http://${host}`)];
  if (plainHTTP) return [plain];
  return isLoopback(secure) ? [secure, plain] : [secure];
}

function mirrorURL(text: string, plainHTTP: boolean): URL {
  const wrong = (why: string) => new OverlayerError('InvalidArgument', `Not a mirror: "${text}": ${why}`);
  if (!URL.canParse(text)) throw wrong('it is no URL');
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') throw wrong('credentials have no place in it');
  if (url.protocol === 'https:') return url;
  if (url.protocol !== 'http:') throw wrong('it is neither https nor http');
  if (plainHTTP || isLoopback(url)) return url;
  throw wrong('it is not https, and plainHTTP is not given');
}

/** `https://host/v2/library/debian/`. A URL that has its own place below `/v2` keeps it (a proxy's project). */
function repositoryURL(url: URL, repository: string): URL {
  const path = url.pathname.replace(/\/+$/, '');
  const api = /^\/v2(\/|$)/.test(path) ? path : `${path}/v2`;
  return new URL(`${api}/${repository}/`, url);
}
