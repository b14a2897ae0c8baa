import { OverlayerError } from '../../../base/errors.js';
import { isUnknownIssuer } from '../hosts/server-trust.js';
import { TooSlowError } from './http-exchange.js';
import { PassingFailure } from './retries.js';
import { proxyName, type Route } from './route.js';
import { ProxyRefusal } from './tunnel.js';

const NOT_TLS = ['EPROTO', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'];

/** Messages for error codes of system calls and of `node:http`. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'no server listens there',
  ECONNRESET: 'the connection was closed',
  EPIPE: 'the connection was closed',
  ETIMEDOUT: 'no connection in time',
  HPE_HEADER_OVERFLOW: 'its answer has too many headers',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to it',
  EAI_AGAIN: 'its name cannot be looked up now',
  ENOTFOUND: 'there is no such host',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  CERT_REVOKED: 'its certificate was revoked',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
};

const HINTS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'check the clock of this machine; if it is right, the server needs a new certificate',
  CERT_NOT_YET_VALID: 'check the clock of this machine',
};

/** Errors that a retry does not change. */
const LASTING = /^(ENOTFOUND|HPE_HEADER_OVERFLOW|CERT_|ERR_TLS_|ERR_INVALID_|ERR_UNESCAPED_)/;

/** The failure of a request without a response, or of a body that breaks off. */
export function networkFailure(cause: unknown, { url, proxy }: Route): OverlayerError | PassingFailure {
  if (OverlayerError.is(cause)) return cause;
  const unavailable = (why: string, hint?: string) => {
    const server = `${url.hostname}:${url.port || (url.protocol === 'https:' ? 443 : 80)}`;
    const way = proxy === undefined ? '' : ` through the proxy ${proxyName(proxy)}`;
    return new OverlayerError('Unavailable', `Cannot get an answer from ${server}${way}: ${why}`, {
      cause,
      hint,
    });
  };
  const code = codeOf(cause);
  if (isUnknownIssuer(cause)) return unavailable(`its certificate is not trusted (${code})`, trustHint(url));
  if (isNotTLS(cause))
    return unavailable('it does not speak TLS', '--plain-http (plainHTTP) allows registries without');
  if (cause instanceof TooSlowError) return new PassingFailure(unavailable(cause.message));
  const reason = reasonOf(cause, code);
  const proxyHint =
    proxy && `${proxy.variable} names the proxy; no_proxy lists the hosts that are reached without it`;
  const error = unavailable(reason, HINTS[code] ?? proxyHint);
  return LASTING.test(code) ? error : new PassingFailure(error);
}

/** Whether a server without TLS was contacted by TLS. */
export function isNotTLS(error: unknown): boolean {
  return NOT_TLS.includes(codeOf(error));
}

/** The code of the first address when several were tried (`AggregateError`). */
function codeOf(cause: unknown): string {
  const { code, errors } = Object(cause) as { code?: unknown; errors?: readonly unknown[] };
  return String(code ?? Object(errors?.[0]).code ?? '');
}

function reasonOf(cause: unknown, code: string): string {
  if (cause instanceof ProxyRefusal)
    return `the proxy answers ${cause.status}${cause.status === 407 ? ' (it requires a user name and a password)' : ''}`;
  const words = REASONS[code];
  if (words === undefined)
    return code.startsWith('HPE_') ? 'it does not answer in HTTP' : messageOf(cause, code);
  return `${words} (${code.startsWith('ERR_TLS') ? messageOf(cause, code) : code})`;
}

function messageOf(cause: unknown, code: string): string {
  return String(Object(cause).message || code || 'for an unknown reason');
}

function trustHint({ host }: URL): string {
  const places = `/etc/docker/certs.d/${host}/ca.crt, or /etc/containerd/certs.d/${host}/hosts.toml`;
  return `put its authority's certificate into ${places}, or into the system's store (SSL_CERT_FILE)`;
}
