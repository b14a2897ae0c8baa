import { X509Certificate } from 'node:crypto';
import type { SecureContext } from 'node:tls';
import { OverlayerError } from '../../../base/errors.js';
import { certificatesIn, trustedCertificates } from './system-certificates.js';

/** How connections by TLS to one server are verified and authenticated. */
export interface TLSSettings {
  /** Certificate authorities in PEM, beside those that are trusted anyway. */
  readonly ca: readonly string[];
  readonly clients: readonly { readonly cert: string; readonly key: string }[];
  /** Accept any certificate. */
  readonly skipVerify: boolean;
}

/** For `tls.connect`. */
export interface TrustOptions {
  readonly secureContext?: SecureContext;
  readonly rejectUnauthorized?: boolean;
}

export const NO_SETTINGS: TLSSettings = { ca: [], clients: [], skipVerify: false };

/** Error codes for a chain that does not end at a trusted authority. */
const UNKNOWN_ISSUER = /^(UNABLE_TO_|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|CERT_UNTRUSTED)/;

/** Whether a larger list of authorities might help. */
export function isUnknownIssuer(error: unknown): boolean {
  return UNKNOWN_ISSUER.test(String(Object(error).code));
}

/** The TLS options of connections that are made for one server. */
export class ServerTrust {
  readonly #settings: TLSSettings;
  readonly #hostname: string;
  /** With the client's certificates, and without. */
  readonly #contexts = new Map<boolean, Promise<SecureContext>>();

  /** @param hostname of the server: no other gets client certificates, or goes without verification */
  constructor(hostname: string, settings: TLSSettings) {
    this.#hostname = hostname;
    this.#settings = settings;
  }

  /** For the first try: Node's own list of authorities. The system's takes 40 ms to load. */
  async options(hostname: string): Promise<TrustOptions> {
    const { ca } = this.#settings;
    if (this.#contexts.size > 0 || ca.length > 0 || this.#tells(hostname)) return await this.widest(hostname);
    return this.#isBlind(hostname) ? { rejectUnauthorized: false } : {};
  }

  /** For a server that the first list does not verify. @throws OverlayerError `InvalidArgument` */
  async widest(hostname: string): Promise<TrustOptions> {
    const tells = this.#tells(hostname);
    const context = this.#contexts.get(tells) ?? this.#makeContext(tells);
    this.#contexts.set(tells, context);
    return { secureContext: await context, rejectUnauthorized: !this.#isBlind(hostname) };
  }

  #tells(hostname: string): boolean {
    return hostname === this.#hostname && this.#settings.clients.length > 0;
  }

  #isBlind(hostname: string): boolean {
    return hostname === this.#hostname && this.#settings.skipVerify;
  }

  async #makeContext(tells: boolean): Promise<SecureContext> {
    const { ca, clients } = this.#settings;
    // Late: who pulls from this machine needs no TLS.
    const { createSecureContext } = await import('node:tls');
    const trusted = [...ca.flatMap(certificatesIn), ...(await trustedCertificates())];
    const own = tells ? { cert: clients.map(({ cert }) => cert), key: clients.map(({ key }) => key) } : {};
    try {
      return createSecureContext({ ca: trusted.filter(isCertificate), ...own });
    } catch (cause) {
      const message = `Cannot use the client certificate for ${this.#hostname}: ${(cause as Error).message}`;
      throw new OverlayerError('InvalidArgument', message, { cause });
    }
  }
}

/** One that is damaged would keep out all. */
function isCertificate(text: string): boolean {
  try {
    return new X509Certificate(text).raw.length > 0;
  } catch {
    return false;
  }
}
