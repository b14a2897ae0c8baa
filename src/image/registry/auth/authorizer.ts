import { orAborted } from '../../../base/abort.js';
import type { HttpClient } from '../http/http-client.js';
import type { HttpResponse } from '../http/http-response.js';
import { basicAuthorization, type Credentials } from './credentials.js';
import { type Challenge, fetchToken, parseChallenges } from './fetch-token.js';
import type { FoundCredentials } from './find-credentials.js';

/** Tokens are renewed this long before they expire, since the request takes time. */
const EARLY_MS = 5_000;

/** Supported schemes, the best first. */
const SCHEMES: readonly string[] = ['bearer', 'basic'];

interface Authorization {
  readonly header: string;
  readonly expiresAt: number;
}

/** The challenges of one server. */
interface Asked {
  readonly challenges: readonly Challenge[];
  readonly origin: URL;
  /** The `Authorization` header that the server refused. */
  readonly refused: string | undefined;
}

/**
 * What servers of this process have asked for, by origin and scope. The next source of the same repository gets its token before
 * its first request, which saves the refusal of that request. Credentials and tokens are never kept here.
 */
const askedBefore = new Map<string, Asked>();
const MOST_ASKED = 1000;

function remember(key: string, asked: Asked): void {
  askedBefore.delete(key);
  askedBefore.set(key, { ...asked, refused: undefined });
  const [oldest] = askedBefore.keys();
  if (askedBefore.size > MOST_ASKED) askedBefore.delete(oldest!);
}

/**
 * The authorization for one server. It is fetched at the first challenge, or before the first request if an earlier source has got
 * the challenge, and renewed before it expires.
 */
export class Authorizer {
  readonly #client: HttpClient;
  readonly #scope: string;
  readonly #find: () => Promise<FoundCredentials>;
  #found: Promise<FoundCredentials> | undefined;
  #current: (Authorization & { readonly asked: Asked }) | undefined;
  /** A new token is used for its first request, even when it expires soon. */
  #isFresh = false;
  #next: Promise<string | undefined> | undefined;

  constructor(client: HttpClient, scope: string, find: () => Promise<FoundCredentials>) {
    this.#client = client;
    this.#scope = scope;
    this.#find = find;
  }

  /** The hint for a refusal. @param looksUp look up credentials if that was not done yet; a helper may prompt the user */
  async hint(looksUp: boolean): Promise<string | undefined> {
    return (await (looksUp ? this.#lookUp() : this.#found))?.hint;
  }

  /** The header for the next request, to `url`; undefined before the first challenge. */
  async header({ origin }: URL, signal: AbortSignal): Promise<string | undefined> {
    const current = this.#current;
    const before = current === undefined ? askedBefore.get(this.#keyOf(origin)) : undefined;
    if (before !== undefined) return await this.#renewed(before, signal);
    const isFresh = this.#isFresh;
    this.#isFresh = false;
    if (current === undefined || isFresh || current.expiresAt > Date.now() + EARLY_MS) return current?.header;
    return await this.#renewed({ ...current.asked, refused: undefined }, signal);
  }

  /** @returns undefined if that fails: the server may send another challenge now */
  async #renewed(asked: Asked, signal: AbortSignal): Promise<string | undefined> {
    try {
      return await this.#renew(asked, signal);
    } catch {
      signal.throwIfAborted();
      this.#current = undefined;
      askedBefore.delete(this.#keyOf(asked.origin.origin));
      return undefined;
    }
  }

  #keyOf(origin: string): string {
    return `${origin} ${this.#scope}`;
  }

  /**
   * Tries to get another header for a request that the server refused. @returns whether there is one
   *
   * @throws PassingFailure; OverlayerError as `fetchToken`
   */
  async answer(response: HttpResponse, signal: AbortSignal): Promise<boolean> {
    const { authorization: refused, url: origin } = response;
    // A concurrent request was refused too, and has got a new header already.
    if (this.#current !== undefined && this.#current.header !== refused) return true;
    const offered = parseChallenges(response.header('www-authenticate') ?? '');
    const challenges = SCHEMES.flatMap(
      (scheme) => offered.find((challenge) => challenge.scheme === scheme) ?? [],
    );
    const asked = { challenges, origin, refused };
    if ((await this.#renew(asked, signal)) === undefined) return false;
    remember(this.#keyOf(origin.origin), asked);
    return true;
  }

  /** Concurrent requests share one renewal, which the signal of none of them aborts. */
  async #renew(asked: Asked, signal: AbortSignal): Promise<string | undefined> {
    this.#next ??= this.#authorize(asked).finally(() => {
      this.#next = undefined;
    });
    const next = this.#next;
    next.catch(() => {});
    return await orAborted(() => next, signal);
  }

  /** Tries each challenge with all credentials, until one gives an authorization. */
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

/** Undefined means an anonymous token. */
function candidatesFor(
  { scheme }: Challenge,
  credentials: readonly Credentials[],
): readonly (Credentials | undefined)[] {
  if (scheme === 'basic') return credentials.filter((candidate) => 'username' in candidate);
  return credentials.length === 0 ? [undefined] : credentials;
}
