import type { TLSSettings } from './server-trust.js';

/** A server that a registry's images are to be had from, and how it is spoken to. */
export interface RegistryHost {
  readonly isMirror: boolean;
  /** Of its API: `https://registry.example/v2`. Several: the first that answers. */
  readonly urls: readonly URL[];
  /** Whether it may say what a tag leads to. */
  readonly canResolve: boolean;
  /** Sent to it, and to nobody else. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TLSSettings;
  /** It may lead to where there is no TLS, if it has none itself. */
  readonly plainHTTP: boolean;
}
