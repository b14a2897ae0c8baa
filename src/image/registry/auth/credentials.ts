/** How a registry is told who asks. */
export type Credentials =
  | { readonly username: string; readonly password: string }
  /** An OAuth 2 refresh token, as `docker login` keeps it: it is exchanged for tokens that a registry takes. */
  | { readonly identityToken: string }
  /** A token that the registry takes as it is. */
  | { readonly registryToken: string };

/** `Basic …` (RFC 7617). */
export function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
