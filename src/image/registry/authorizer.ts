import { orAborted } from '../../base/abort.js';
import { OverlayerError } from '../../base/errors.js';
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
  #next: Promise<Authorization> | undefined;

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
   * @throws PassingFailure; OverlayerError `Unauthenticated`, and as `findCredentials` and `fetchToken`
   */
  async answer(response: HttpResponse, refused: string | undefined, signal: AbortSignal): Promise<string> {
    // Somebody else's request was refused as well, and has been answered.
    if (this.#current !== undefined && this.#current.header !== refused) return this.#current.header;
    const challenges = parseChallenges(response.header('www-authenticate') ?? '');
    const challenge = ['bearer', 'basic']
      .map((scheme) => challenges.find((offered) => offered.scheme === scheme))
      .find((offered) => offered !== undefined);
    if (challenge === undefined) throw refusal(response.url, 'it asks in no way that is known');
    return await this.#renew(challenge, response.url, signal);
  }

  /** For all who wait at once; the first one's signal does not end it for the others. */
  async #renew(challenge: Challenge, origin: URL, signal: AbortSignal): Promise<string> {
    this.#next ??= this.#authorize(challenge, origin).finally(() => {
      this.#next = undefined;
    });
    const next = this.#next;
    next.catch(() => {});
    const { header } = await orAborted(() => next, signal);
    return header;
  }

  async #authorize(challenge: Challenge, origin: URL): Promise<Authorization> {
    this.#credentials ??= this.#findCredentials();
    const credentials = await this.#credentials;
    const { header, expiresAt } = await this.#answerTo(challenge, origin, credentials);
    this.#current = { header, expiresAt, challenge };
    return this.#current;
  }

  async #answerTo(
    challenge: Challenge,
    origin: URL,
    credentials: Credentials | undefined,
  ): Promise<Omit<Authorization, 'challenge'>> {
    if (challenge.scheme === 'basic') {
      if (credentials === undefined || !('username' in credentials))
        throw refusal(origin, 'it wants a name and a password');
      const { username, password } = credentials;
      return { header: basicAuthorization(username, password), expiresAt: Number.POSITIVE_INFINITY };
    }
    if (credentials !== undefined && 'registryToken' in credentials)
      return { header: `Bearer ${credentials.registryToken}`, expiresAt: Number.POSITIVE_INFINITY };
    const asked = { challenge, origin, scope: this.#scope, credentials };
    const { token, expiresAt } = await fetchToken(this.#client, asked);
    return { header: `Bearer ${token}`, expiresAt };
  }
}

function refusal({ host }: URL, why: string): OverlayerError {
  return new OverlayerError('Unauthenticated', `${host} refuses: ${why}`, {
    hint: 'docker login, skopeo login, or give credentials',
  });
}
