import { OverlayerError } from '../../base/errors.js';
import { PassingFailure } from './retries.js';

const DISTRUSTED = /^CERT_|^ERR_TLS_CERT|SELF_SIGNED|UNABLE_TO_/;
const NOT_TLS = ['EPROTO', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'];

/** What became of a request that got no answer, or of a body that broke off. */
export function networkFailure(cause: unknown, { host }: URL): OverlayerError | PassingFailure {
  if (OverlayerError.is(cause)) return cause;
  const unavailable = (why: string, hint?: string) =>
    new OverlayerError('Unavailable', `Cannot reach ${host}: ${why}`, { cause, hint });
  const code = String(Object(cause).code);
  if (code === 'ENOTFOUND') return unavailable('there is no such host');
  if (DISTRUSTED.test(code))
    return unavailable(
      `its certificate is not trusted (${code})`,
      'NODE_EXTRA_CA_CERTS names a file of others to trust',
    );
  if (isNotTLS(cause)) return unavailable('it does not speak TLS', 'plainHTTP allows registries without');
  return new PassingFailure(unavailable(describe(cause, code)));
}

/** A server that speaks plain HTTP was asked for TLS. */
export function isNotTLS(error: unknown): boolean {
  return NOT_TLS.includes(Object(error).code);
}

function describe(cause: unknown, code: string): string {
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') return 'it stopped answering';
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return 'no connection in time';
  const { message } = cause as Error;
  return message === '' ? code : message;
}
