import { X509Certificate } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { OverlayerError } from '../../../base/errors.js';

/** TLS settings of the connections to one server. */
export interface TLSSettings {
  /** Further certificate authorities in PEM. */
  readonly ca: readonly string[];
  readonly clients: readonly { readonly cert: string; readonly key: string }[];
  /** Accept any certificate. */
  readonly skipVerify: boolean;
}

/** Options of `tls.connect`. */
export interface TrustOptions {
  readonly secureContext?: SecureContext;
  readonly rejectUnauthorized?: boolean;
}

export const NO_SETTINGS: TLSSettings = { ca: [], clients: [], skipVerify: false };

/** Error codes of certificate chains without a trusted authority. */
const UNKNOWN_ISSUER = /^(UNABLE_TO_|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|CERT_UNTRUSTED)/;

/** Whether a larger list of authorities might help. */
export function isUnknownIssuer(error: unknown): boolean {
  return UNKNOWN_ISSUER.test(String(Object(error).code));
}

/** TLS options of the connections to one server and its redirect targets. */
export class ServerTrust {
  readonly #settings: TLSSettings;
  readonly #hostname: string;
  /** The options with the client's certificates, and without. */
  readonly #contexts = new Map<boolean, Promise<SecureContext>>();

  /** @param hostname the server; client certificates and `skipVerify` apply to no other */
  constructor(hostname: string, settings: TLSSettings) {
    this.#hostname = hostname;
    this.#settings = settings;
  }

  /** Options of the first attempt, with Node's own authorities. The system's take 40 ms to load. */
  async options(hostname: string): Promise<TrustOptions> {
    const { ca } = this.#settings;
    if (this.#contexts.size > 0 || ca.length > 0 || this.#tells(hostname)) return await this.widest(hostname);
    return this.#isBlind(hostname) ? { rejectUnauthorized: false } : {};
  }

  /** Options with all authorities, for a server that the first attempt does not verify. @throws OverlayerError `InvalidArgument` */
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

/** A damaged certificate would make the whole list invalid. */
function isCertificate(text: string): boolean {
  try {
    return new X509Certificate(text).raw.length > 0;
  } catch {
    return false;
  }
}

const MAX_FILE_BYTES = 16 * 1024 ** 2;
const MAX_FILES = 10_000;

/** Certificate stores of distributions; the first one that exists is used (as in Go's crypto/x509). */
const FILES: readonly string[] = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];
const DIRECTORIES: readonly string[] = ['/etc/ssl/certs', '/etc/pki/tls/certs'];

/**
 * All trusted certificates in PEM: the system's store, or `SSL_CERT_FILE` and `SSL_CERT_DIR` in its place;
 * `NODE_EXTRA_CA_CERTS`; and Node's own. Files that can't be read are skipped.
 */
async function trustedCertificates(): Promise<readonly string[]> {
  const { SSL_CERT_FILE, SSL_CERT_DIR, NODE_EXTRA_CA_CERTS } = process.env;
  const found = new Set<string>(rootCertificates);
  const files = SSL_CERT_FILE ? [SSL_CERT_FILE] : FILES;
  const directories = SSL_CERT_DIR ? SSL_CERT_DIR.split(':') : DIRECTORIES;
  for (const file of files) if (await addFile(found, file)) break;
  for (const directory of directories) await addDirectory(found, directory);
  if (NODE_EXTRA_CA_CERTS) await addFile(found, NODE_EXTRA_CA_CERTS);
  return [...found];
}

/** The certificates of a text that may also contain other data. */
export function certificatesIn(text: string): readonly string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

async function addFile(found: Set<string>, path: string): Promise<boolean> {
  try {
    const stats = await stat(path);
    if (!stats.isFile() || stats.size > MAX_FILE_BYTES) return false;
    for (const certificate of certificatesIn(await readFile(path, 'latin1'))) found.add(certificate);
    return true;
  } catch {
    return false;
  }
}

async function addDirectory(found: Set<string>, directory: string): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  for (const name of names.slice(0, MAX_FILES)) await addFile(found, join(directory, name));
}
