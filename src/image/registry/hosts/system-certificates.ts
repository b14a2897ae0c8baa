import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

const MAX_FILE_BYTES = 16 * 1024 ** 2;
const MAX_FILES = 10_000;

/** The system's store of each distribution; the first that exists is used (as Go's crypto/x509). */
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
 * All certificates that this system, this process and Node trust, in PEM: the system's store, or what `SSL_CERT_FILE` and
 * `SSL_CERT_DIR` name in its place; `NODE_EXTRA_CA_CERTS`; those that come with Node. What can't be read is left out.
 */
export async function trustedCertificates(): Promise<readonly string[]> {
  const { SSL_CERT_FILE, SSL_CERT_DIR, NODE_EXTRA_CA_CERTS } = process.env;
  const { rootCertificates } = await import('node:tls');
  const found = new Set<string>(rootCertificates);
  const files = SSL_CERT_FILE ? [SSL_CERT_FILE] : FILES;
  const directories = SSL_CERT_DIR ? SSL_CERT_DIR.split(':') : DIRECTORIES;
  for (const file of files) if (await addFile(found, file)) break;
  for (const directory of directories) await addDirectory(found, directory);
  if (NODE_EXTRA_CA_CERTS) await addFile(found, NODE_EXTRA_CA_CERTS);
  return [...found];
}

/** The certificates of a text that may have other things in it. */
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
