import { OverlayerError } from '../../../base/errors.js';
import type { HttpClient, HttpRequest } from '../http/http-client.js';
import { responseFailure } from '../http/http-response.js';
import { basicAuthorization, type Credentials } from './credentials.js';

/** One challenge of a `WWW-Authenticate` header. */
export interface Challenge {
  /** The scheme in lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** Values by names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = /[!#$%&'*+.^_`|~\w-]+/.source;
const SCHEME = new RegExp(`[\\s,]*(${TOKEN})`, 'y');
const PARAMETER = new RegExp(`[\\s,]*(${TOKEN})[ \\t]*=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|(${TOKEN}))`, 'y');
const TOKEN68 = /[ \t]+[\w\-.~+/]+=*(?=[ \t]*(?:,|$))/y;

/** Parses `WWW-Authenticate` (RFC 9110, 11.6.1). Ignores all after the first malformed part. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(header);
    if (match !== null) at = pattern.lastIndex;
    return match;
  };
  for (let scheme = take(SCHEME); scheme !== null; scheme = take(SCHEME)) {
    const parameters = new Map<string, string>();
    if (take(TOKEN68) === null)
      for (let match = take(PARAMETER); match !== null; match = take(PARAMETER))
        parameters.set(match[1]!.toLowerCase(), match[2]?.replace(/\\(.)/g, '$1') ?? match[3]!);
    challenges.push({ scheme: scheme[1]!.toLowerCase(), parameters });
  }
  return challenges;
}

const MAX_ANSWER_BYTES = 1024 ** 2;
/** Lifetime when the server gives none (distribution, "Token Authentication Specification"). */
const DEFAULT_LIFETIME_S = 60;
const CLIENT_ID = 'overlayer';

interface Token {
  readonly token: string;
  /** The time in milliseconds since 1970. */
  readonly expiresAt: number;
}

interface TokenRequest {
  /** A challenge of the scheme `bearer`. */
  readonly challenge: Challenge;
  /** The server that sent the challenge. The token is not fetched over a less secure connection. */
  readonly origin: URL;
  /** Scope when the challenge has none. It is added to a challenge for the same repository: a push needs more than a HEAD. */
  readonly scope: string;
  readonly credentials: Credentials | undefined;
  /** The hint for a refusal. */
  readonly hint: string;
}

/**
 * Fetches a token from the challenge's realm: by GET, with the username and password if there are any. An identity token is
 * exchanged by POST (distribution, "Token Authentication", "OAuth 2").
 *
 * @throws PassingFailure; OverlayerError `Unauthenticated`, `PermissionDenied`, `Unavailable`
 */
export async function fetchToken(client: HttpClient, asked: TokenRequest): Promise<Token> {
  const realm = realmOf(client, asked);
  const { parameters } = asked.challenge;
  const form = new URLSearchParams();
  const service = parameters.get('service');
  if (service !== undefined) form.set('service', service);
  const scope = joinScopes(parameters.get('scope'), asked.scope);
  const fetchedAt = Date.now();
  const response = await client.request(realm, requestFor(realm, form, scope, asked.credentials));
  if (response.status !== 200)
    throw await responseFailure(
      response,
      `get a token for ${asked.origin.host} from`,
      async () => asked.hint,
    );
  const { token, access_token, expires_in } = await readAnswer(
    await response.read(MAX_ANSWER_BYTES, 'A token'),
    realm,
  );
  const found = [token, access_token].find((text) => typeof text === 'string' && text !== '');
  if (typeof found !== 'string' || !/^[\x21-\x7e]+$/.test(found)) throw wrongAnswer(realm, 'no token');
  const lifetime = typeof expires_in === 'number' && expires_in > 0 ? expires_in : DEFAULT_LIFETIME_S;
  return { token: found, expiresAt: fetchedAt + lifetime * 1000 };
}

/**
 * The union of two scopes (`repository:a/b:pull,push`) when they share a repository. Otherwise the challenge's: the server may
 * know the image by another name.
 */
function joinScopes(asked: string | undefined, own: string): string {
  if (asked === undefined) return own;
  const actions = scopeActions(asked);
  const added = scopeActions(own);
  if (![...added.keys()].some((resource) => actions.has(resource))) return asked;
  for (const [resource, names] of added)
    actions.set(resource, new Set([...(actions.get(resource) ?? []), ...names]));
  return [...actions].map(([resource, names]) => `${resource}:${[...names].join(',')}`).join(' ');
}

/** Actions by resource. The resource's name may have a colon in it. */
function scopeActions(scope: string): Map<string, Set<string>> {
  const parts = scope.split(' ').filter((part) => part !== '');
  return new Map(
    parts.map((part) => {
      const colon = part.lastIndexOf(':');
      return [part.slice(0, Math.max(colon, 0)), new Set(part.slice(colon + 1).split(','))];
    }),
  );
}

/** Adds the parameters to the URL, or to the body. */
function requestFor(
  realm: URL,
  form: URLSearchParams,
  scope: string,
  credentials: Credentials | undefined,
): HttpRequest {
  if (credentials !== undefined && 'identityToken' in credentials) {
    form.set('grant_type', 'refresh_token');
    form.set('client_id', CLIENT_ID);
    form.set('scope', scope);
    form.set('refresh_token', credentials.identityToken);
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return { method: 'POST', headers, body: form.toString() };
  }
  for (const part of scope.split(' ')) form.append('scope', part);
  for (const [name, value] of form) realm.searchParams.append(name, value);
  if (credentials === undefined || !('username' in credentials)) return {};
  realm.searchParams.set('account', credentials.username);
  return { authorization: basicAuthorization(credentials.username, credentials.password) };
}

function realmOf(client: HttpClient, { challenge, origin }: TokenRequest): URL {
  const realm = client.linked(challenge.parameters.get('realm') ?? '', origin);
  if (realm !== undefined) return realm;
  throw new OverlayerError('Unavailable', `${origin.host} names a token server that is not allowed`, {
    hint: 'a token server must have https; --plain-http (plainHTTP) allows http for a registry with http',
  });
}

async function readAnswer(
  body: Buffer,
  realm: URL,
): Promise<{ token?: unknown; access_token?: unknown; expires_in?: unknown }> {
  try {
    return Object(JSON.parse(body.toString()));
  } catch {
    throw wrongAnswer(realm, 'no JSON');
  }
}

function wrongAnswer({ host }: URL, what: string): OverlayerError {
  return new OverlayerError('Unavailable', `Asked for a token, ${host} answers with ${what}`);
}
