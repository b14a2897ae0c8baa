import type { HttpProxy } from './proxy-of.js';

/** Where a request goes. */
export interface Route {
  readonly url: URL;
  readonly proxy: HttpProxy | undefined;
}

/** For a message: `registry.example`, and the proxy that may have answered in its place. */
export function routeName({ url, proxy }: Route): string {
  return `${url.host}${proxy === undefined ? '' : ` through the proxy ${proxyName(proxy)}`}`;
}

/** Without the credentials that it may have. */
export function proxyName({ url: { protocol, host }, variable }: HttpProxy): string {
  return `${protocol}//${host} of ${variable}`;
}
