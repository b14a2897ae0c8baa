import { request } from 'node:http';
import type { Socket } from 'node:net';
import { basicAuthorization } from '../auth/credentials.js';

export const PORTS: Readonly<Record<string, number>> = {
  'http:': 80,
  'https:': 443,
  'socks5:': 1080,
  'socks5h:': 1080,
};

/** Where a server listens. */
export interface Place {
  readonly hostname: string;
  readonly port: number;
}

export function placeOf({ protocol, hostname, port }: Pick<URL, 'protocol' | 'hostname' | 'port'>): Place {
  return { hostname: hostname.replace(/^\[|\]$/g, ''), port: Number(port || PORTS[protocol]) };
}

/**
 * Lets a proxy connect to a server, whose name the proxy looks up.
 *
 * @param base the connection to the proxy, and from then on to the server
 * @throws ProxyRefusal; Error of the connection
 */
export async function askProxy(base: Socket, target: Place, proxy: URL): Promise<void> {
  await (proxy.protocol.startsWith('socks') ? askSocksProxy : askHttpProxy)(base, target, proxy);
}

async function askHttpProxy(base: Socket, { hostname, port }: Place, proxy: URL): Promise<void> {
  const path = `${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`;
  const headers = { host: path, ...proxyAuthorization(proxy) };
  const status = await new Promise<number>((resolve, reject) => {
    request({ method: 'CONNECT', path, headers, createConnection: () => base })
      .on('connect', (response, _, head: Buffer) => {
        if (head.length > 0) base.unshift(head);
        resolve(response.statusCode!);
      })
      .on('error', reject)
      .end();
  });
  if (status < 200 || status > 299) throw new ProxyRefusal(status);
}

/** A proxy that makes no tunnel. */
export class ProxyRefusal extends Error {
  override readonly name = 'ProxyRefusal';
  readonly status: number;

  constructor(status: number) {
    super(`The proxy answers ${status}`);
    this.status = status;
  }
}

async function askSocksProxy(base: Socket, { hostname, port }: Place, proxy: URL): Promise<void> {
  const { SocksClient } = await import('socks');
  const [userId, password] = [proxy.username, proxy.password].map(decodeURIComponent) as [string, string];
  await SocksClient.createConnection({
    command: 'connect',
    existing_socket: base,
    proxy: {
      ...{ host: proxy.hostname, port: placeOf(proxy).port, type: 5 },
      ...(userId && { userId, password }),
    },
    destination: { host: hostname, port },
  });
}

export function proxyAuthorization({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === '') return {};
  const authorization = basicAuthorization(decodeURIComponent(username), decodeURIComponent(password));
  return { 'proxy-authorization': authorization };
}
