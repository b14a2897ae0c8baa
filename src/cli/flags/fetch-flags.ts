import { collect, flag, parseCount, parseSize, type ValuesOf } from './declare.js';

export const PLATFORM = flag(
  '--platform <PLATFORM>',
  'os/architecture[/variant] (default: that of this machine)',
);

/** Options of the commands that ask registries. */
export const REGISTRY_FLAGS = [
  flag('--plain-http', 'connect without TLS'),
  flag('--username <USER>', 'the registry user (default: what docker login or podman login has stored)'),
  flag('--password-stdin', 'read the password from standard input'),
  flag('--hosts-dir <DIR>', 'read hosts.toml files and certificates from here; may be repeated', collect),
  flag('--min-rate <SIZE>', 'fewest bytes a second, averaged over 30 seconds (default: 64)', parseSize),
  flag('--deadline <SECONDS>', 'longest time for the whole image (default: no limit)', parseCount),
] as const;
export type RegistryFlags = ValuesOf<typeof REGISTRY_FLAGS> & Partial<ValuesOf<typeof CONNECTIONS>>;

const CONNECTIONS = [
  flag(
    '--connections <N>',
    'connections for the ranges of large layers (default: 1, up to 8 for slow ones)',
    parseCount,
  ),
] as const;
/** Options of the commands that fetch layers from registries. */
export const FETCH_FLAGS = [...REGISTRY_FLAGS, ...CONNECTIONS] as const;
