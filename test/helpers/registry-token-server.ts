import { execFileSync } from 'node:child_process';
import { createSign } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { RegistryAuth } from './docker-registry.js';

export interface TokenServerRequest {
  readonly method: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: URLSearchParams;
}

/** @returns the status and what it says */
export type Grant = (request: TokenServerRequest) => {
  readonly status?: number;
  readonly [field: string]: unknown;
};

/** Gives tokens for a registry. */
export class RegistryTokenServer {
  readonly url: string;
  readonly requests: TokenServerRequest[] = [];
  readonly #server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
  }

  static async start(grant: Grant): Promise<RegistryTokenServer> {
    const server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      const { method = 'GET', url = '/', headers } = request;
      const query = new URL(url, 'http://127.0.0.1').searchParams;
      const asked = { method, query, headers, body: new URLSearchParams(body) };
      started.requests.push(asked);
      const { status = 200, ...answer } = grant(asked);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const started = new RegistryTokenServer(server);
    return started;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** Signs tokens that docker-registry believes. */
export class TokenSigner {
  readonly #key: string;
  readonly #certificate: string;

  /** @param directory for its key and certificate */
  constructor(directory: string) {
    this.#key = join(directory, 'token.key');
    this.#certificate = join(directory, 'token.crt');
    const out = ['-keyout', this.#key, '-out', this.#certificate];
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=tokens', '-days', '2', ...out],
      { stdio: 'ignore' },
    );
  }

  /** For docker-registry's configuration. */
  auth(realm: string): RegistryAuth {
    return { token: { realm, service: 'tests', issuer: 'tests', rootcertbundle: this.#certificate } };
  }

  /** Docker's "Token Authentication Implementation": a JSON Web Token that allows actions in repositories. */
  sign(...access: readonly { readonly name: string; readonly actions: readonly string[] }[]): string {
    const certificate = readFileSync(this.#certificate, 'utf8').replace(/-----[^-]+-----|\s/g, '');
    const now = Math.floor(Date.now() / 1000);
    const header = { typ: 'JWT', alg: 'RS256', x5c: [certificate] };
    const claims = {
      ...{ iss: 'tests', sub: 'user', aud: 'tests', jti: String(now) },
      ...{ exp: now + 300, nbf: now - 10, iat: now },
      access: access.map((allowed) => ({ type: 'repository', ...allowed })),
    };
    const signed = [header, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    return `${signed}.${createSign('sha256').update(signed).sign(readFileSync(this.#key), 'base64url')}`;
  }
}
