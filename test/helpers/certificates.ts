import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Paths of a certificate and its key. */
export interface Issued {
  readonly certificate: string;
  readonly key: string;
  /** Both, in PEM. */
  read(): { readonly cert: string; readonly key: string };
}

/** Vouches for servers and clients; nobody knows it. */
export class CertificateAuthority {
  readonly #directory: string;
  readonly certificate: string;

  constructor(directory: string) {
    this.#directory = directory;
    this.certificate = join(directory, 'authority.crt');
    openssl(['req', '-x509', '-subj', '/CN=authority', ...this.#new('authority'), '-out', this.certificate]);
  }

  issue(name: string, subjectAltName: string): Issued {
    const [request, extensions] = [
      join(this.#directory, `${name}.csr`),
      join(this.#directory, `${name}.ext`),
    ];
    const [certificate, key] = [join(this.#directory, `${name}.cert`), join(this.#directory, `${name}.key`)];
    writeFileSync(extensions, `subjectAltName=${subjectAltName}\n`);
    openssl(['req', '-subj', `/CN=${name}`, ...this.#new(name), '-out', request]);
    const authority = [
      '-CA',
      this.certificate,
      '-CAkey',
      join(this.#directory, 'authority.key'),
      '-CAcreateserial',
    ];
    openssl([
      'x509',
      '-req',
      '-in',
      request,
      ...authority,
      '-extfile',
      extensions,
      '-days',
      '2',
      '-out',
      certificate,
    ]);
    const read = () => ({ cert: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') });
    return { certificate, key, read };
  }

  #new(name: string): string[] {
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    return [...curve, '-days', '2', '-keyout', join(this.#directory, `${name}.key`)];
  }
}

function openssl(args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore' });
}
