import { orAborted } from '../../base/abort.js';
import { type Challenge, parseChallenges } from './challenge.js';
import { basicAuthorization, type Credentials } from './credentials.js';
import { fetchToken } from './fetch-token.js';
import type { HttpClient } from './http-client.js';
import type { HttpResponse } from './http-response.js';

/** A token that ends while its request is on the way is of no use. */
const EARLY_MS = 5_000;

interface Authorization {
  readonly header: string;
  readonly expiresAt: number;
  readonly challenge: Challenge;
}

/** What one registry wants to be told, found out when it first asks, and renewed when it ends. */
export class Authorizer {
  readonly #client: HttpClient;
  readonly #scope: string;
  readonly #findCredentials: () => Promise<Credentials | undefined>;
  #credentials: Promise<Credentials | undefined> | undefined;
  #current: Authorization | undefined;
  #next: Promise<Authorization | undefined> | undefined;

  constructor(client: HttpClient, scope: string, findCredentials: () => Promise<Credentials | undefined>) {
    this.#client = client;
    this.#scope = scope;
    this.#findCredentials = findCredentials;
  }

  /** The header for the next request; none before anything was asked for. */
  async header(origin: URL, signal: AbortSignal): Promise<string | undefined> {
    const current = this.#current;
    if (current === undefined || current.expiresAt > Date.now() + EARLY_MS) return current?.header;
    return await this.#renew(current.challenge, origin, signal);
  }

  /**
   * The header for the same request again, after the registry refused it.
   *
   * @param refused the header that it had
   * @returns undefined where there is nothing that it would take
   * @throws PassingFailure; OverlayerError as `findCredentials` and `fetchToken`
   */
  async answer(
    response: HttpResponse,
    refused: string | undefined,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    // Somebody else's request was refused as well, and has been answered.
    if (this.#current !== undefined && this.#current.header !== refused) return this.#current.header;
    const challenges = parseChallenges(response.header('www-authenticate') ?? '');
    const challenge = ['bearer', 'basic']
      .map((scheme) => challenges.find((offered) => offered.scheme === scheme))
      .find((offered) => offered !== undefined);
    const answer = challenge && (await this.#renew(challenge, response.url, signal));
    return answer === refused ? undefined : answer;
  }

  /** For all who wait at once; the first one's signal does not end it for the others. */
  async #renew(challenge: Challenge, origin: URL, signal: AbortSignal): Promise<string | undefined> {
    this.#next ??= this.#authorize(challenge, origin).finally(() => {
      this.#next = undefined;
    });
    const next = this.#next;
    next.catch(() => {});
    return (await orAborted(() => next, signal))?.header;
  }

  async #authorize(challenge: Challenge, origin: URL): Promise<Authorization | undefined> {
    this.#credentials ??= this.#findCredentials();
    const credentials = await this.#credentials;
    const authorization = await this.#authorizationFor(challenge, origin, credentials);
    if (authorization === undefined) return undefined;
    this.#current = { ...authorization, challenge };
    return this.#current;
  }

  async #authorizationFor(challenge: Challenge, origin: URL, credentials: Credentials | undefined) {
    const forever = (header: string) => ({ header, expiresAt: Number.POSITIVE_INFINITY });
    if (challenge.scheme === 'basic') {
      if (credentials === undefined || !('username' in credentials)) return undefined;
      return forever(basicAuthorization(credentials.username, credentials.password));
    }
    if (credentials !== undefined && 'registryToken' in credentials)
      return forever(`Bearer ${credentials.registryToken}`);
    const asked = { challenge, origin, scope: this.#scope, credentials };
    const { token, expiresAt } = await fetchToken(this.#client, asked);
    return { header: `Bearer ${token}`, expiresAt };
  }
}
