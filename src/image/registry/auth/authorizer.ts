import { orAborted } from '../../../base/abort.js';
import type { HttpClient } from '../http/http-client.js';
import type { HttpResponse } from '../http/http-response.js';
import { basicAuthorization, type Credentials } from './credentials.js';
import { type Challenge, fetchToken, parseChallenges } from './fetch-token.js';
import type { FoundCredentials } from './find-credentials.js';

/** A token that ends while its request is on the way is of no use. */
const EARLY_MS = 5_000;

/** The schemes that we know, the best first. */
const SCHEMES: readonly string[] = ['bearer', 'basic'];

interface Authorization {
  readonly header: string;
  readonly expiresAt: number;
}

/** What one server asked for. */
interface Asked {
  readonly challenges: readonly Challenge[];
  readonly origin: URL;
  /** The header that it has refused. */
  readonly refused: string | undefined;
}

/** What one server wants to be told, found out when it first asks, and renewed when it ends. */
export class Authorizer {
  readonly #client: HttpClient;
  readonly #scope: string;
  readonly #find: () => Promise<FoundCredentials>;
  #found: Promise<FoundCredentials> | undefined;
  #current: (Authorization & { readonly asked: Asked }) | undefined;
  /** A token that expires soon is still good for the request that it was fetched for. */
  #isFresh = false;
  #next: Promise<string | undefined> | undefined;

  constructor(client: HttpClient, scope: string, find: () => Promise<FoundCredentials>) {
    this.#client = client;
    this.#scope = scope;
    this.#find = find;
  }

  /** What to do about a refusal. @param looksUp credentials, if nothing has yet: that may ask a person */
  async hint(looksUp: boolean): Promise<string | undefined> {
    return (await (looksUp ? this.#lookUp() : this.#found))?.hint;
  }

  /** The header for the next request; none before anything was asked for. */
  async header(signal: AbortSignal): Promise<string | undefined> {
    const current = this.#current;
    const isFresh = this.#isFresh;
    this.#isFresh = false;
    if (current === undefined || isFresh || current.expiresAt > Date.now() + EARLY_MS) return current?.header;
    try {
      return await this.#renew({ ...current.asked, refused: undefined }, signal);
    } catch {
      signal.throwIfAborted();
      // The server may send another challenge by now.
      this.#current = undefined;
      return undefined;
    }
  }

  /**
   * Whether there is another header for a request that the server refused.
   *
   * @throws PassingFailure; OverlayerError as `fetchToken`
   */
  async answer(response: HttpResponse, signal: AbortSignal): Promise<boolean> {
    const { authorization: refused, url: origin } = response;
    // Somebody else's request was refused as well, and has been answered.
    if (this.#current !== undefined && this.#current.header !== refused) return true;
    const offered = parseChallenges(response.header('www-authenticate') ?? '');
    const challenges = SCHEMES.flatMap(
      (scheme) => offered.find((challenge) => challenge.scheme === scheme) ?? [],
    );
    return (await this.#renew({ challenges, origin, refused }, signal)) !== undefined;
  }

  /** For all who wait at once; the first one's signal does not end it for the others. */
  async #renew(asked: Asked, signal: AbortSignal): Promise<string | undefined> {
    this.#next ??= this.#authorize(asked).finally(() => {
      this.#next = undefined;
    });
    const next = this.#next;
    next.catch(() => {});
    return await orAborted(() => next, signal);
  }

  /** Tries each challenge with each of the credentials, until one gives an authorization. */
  async #authorize(asked: Asked): Promise<string | undefined> {
    const { credentials } = await this.#lookUp();
    const failures: unknown[] = [];
    for (const challenge of asked.challenges)
      for (const candidate of candidatesFor(challenge, credentials)) {
        try {
          const authorization = await this.#authorization(challenge, candidate, asked.origin);
          if (authorization.header === asked.refused) continue;
          this.#current = { ...authorization, asked };
          this.#isFresh = true;
          return authorization.header;
        } catch (error) {
          failures.push(error);
        }
      }
    if (failures.length > 0) throw failures[0];
    return undefined;
  }

  async #authorization(
    challenge: Challenge,
    credentials: Credentials | undefined,
    origin: URL,
  ): Promise<Authorization> {
    const forever = (header: string) => ({ header, expiresAt: Number.POSITIVE_INFINITY });
    if (challenge.scheme === 'basic' && credentials !== undefined && 'username' in credentials)
      return forever(basicAuthorization(credentials.username, credentials.password));
    if (credentials !== undefined && 'registryToken' in credentials)
      return forever(`Bearer ${credentials.registryToken}`);
    const { hint } = await this.#lookUp();
    const asked = { challenge, origin, scope: this.#scope, credentials, hint };
    const { token, expiresAt } = await fetchToken(this.#client, asked);
    return { header: `Bearer ${token}`, expiresAt };
  }

  #lookUp(): Promise<FoundCredentials> {
    this.#found ??= this.#find();
    return this.#found;
  }
}

/** Undefined stands for an anonymous token. */
function candidatesFor(
  { scheme }: Challenge,
  credentials: readonly Credentials[],
): readonly (Credentials | undefined)[] {
  if (scheme === 'basic') return credentials.filter((candidate) => 'username' in candidate);
  return credentials.length === 0 ? [undefined] : credentials;
}
