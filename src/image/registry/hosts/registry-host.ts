import type { TLSSettings } from './server-trust.js';

/** A server that has a registry's images, and how to connect to it. */
export interface RegistryHost {
  readonly isMirror: boolean;
  /** Of its API: `https://registry.example/v2`. Several: the first that answers. */
  readonly urls: readonly URL[];
  /** Whether it may resolve tags. */
  readonly canResolve: boolean;
  /** Sent to this server only. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TLSSettings;
  /** Whether redirects and token servers without TLS are followed, if it has none itself. */
  readonly plainHTTP: boolean;
}
