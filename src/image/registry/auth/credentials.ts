/** Credentials for a registry. */
export type Credentials =
  | { readonly username: string; readonly password: string }
  /** An OAuth 2 refresh token, as `docker login` stores it. It is exchanged for registry tokens. */
  | { readonly identityToken: string }
  /** A token that is sent to the registry as it is. */
  | { readonly registryToken: string };

/** `Basic …` (RFC 7617). */
export function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
