import { formatPlatform, hostPlatform } from '../oci/platform.js';
import type { Capability } from '../snapshot/backend.js';

export interface ContainerdConfigOptions {
  /** Of the daemon's socket, an absolute path. */
  readonly address: string;
  /** @default 'overlayer' */
  readonly name?: string | undefined;
  /** Of the daemon, an absolute path: Kubernetes looks how full its disk is. */
  readonly root: string;
  /** Of its backend: what containerd may ask of it. */
  readonly capabilities: readonly Capability[];
}

/**
 * The part of containerd's configuration that names a daemon, in TOML.
 *
 * Versions 2 and 3 of the configuration have the same tables for it. Differs as plugins of their own are known from
 * containerd 1.7 on; one before it does not start with them, so they come last, to be cut off.
 */
export function containerdConfig(options: ContainerdConfigOptions): string {
  const { address, name = 'overlayer', root, capabilities } = options;
  const differ = `${name}-diff`;
  return `# For the end of /etc/containerd/config.toml, once. The file has to say that it is of version 2 or 3: without the line
# "version = 2" at its beginning it is of version 1, and the differ is passed over in silence. A file that has these
# tables already, as "containerd config default" writes it, can't have them twice: write this into a file of its own, and
# name that in the other's "imports".

[proxy_plugins.${key(name)}]
  type = "snapshot"
  address = ${text(address)}
  capabilities = [${capabilities.map(text).join(', ')}]
  [proxy_plugins.${key(name)}.exports]
    root = ${text(root)}

# For Kubernetes, in the table that is there already. Version 2:
#   [plugins."io.containerd.grpc.v1.cri".containerd]
#     snapshotter = ${text(name)}
# Version 3:
#   [plugins."io.containerd.cri.v1.images"]
#     snapshotter = ${text(name)}

# containerd 1.6 (Debian 12) does not start with what follows: leave it out, and containerd unpacks layers itself, into
# the same snapshots.

[proxy_plugins.${key(differ)}]
  type = "diff"
  address = ${text(address)}

# Unpacks layers; what it does not do is left to containerd's own.
[plugins."io.containerd.service.v1.diff-service"]
  default = [${text(differ)}, "walking"]

# For what containerd pulls and imports by itself (ctr of containerd 2).
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
  platform = ${text(formatPlatform(hostPlatform()))}
  snapshotter = ${text(name)}
  differ = ${text(differ)}
`;
}

/** Basic strings of TOML are escaped as those of JSON, of which it knows the same and more. */
const text = (value: string) => JSON.stringify(value);

function key(name: string): string {
  return /^[\w-]+$/.test(name) ? name : text(name);
}
