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
 * The table of proxy plugins is the same in versions 2 and 3 of the configuration. Differs as a plugin of their own are
 * known from containerd 1.7 on; one before it passes over them.
 */
export function containerdConfig(options: ContainerdConfigOptions): string {
  const { address, name = 'overlayer', root, capabilities } = options;
  return `# For containerd's configuration (/etc/containerd/config.toml), of version 2 or 3.

[proxy_plugins.${key(name)}]
  type = "snapshot"
  address = ${text(address)}
  capabilities = [${capabilities.map(text).join(', ')}]
  [proxy_plugins.${key(name)}.exports]
    root = ${text(root)}

[proxy_plugins.${key(`${name}-diff`)}]
  type = "diff"
  address = ${text(address)}

# It unpacks layers; what it does not do is left to containerd's own. From containerd 1.7 on.
[plugins."io.containerd.service.v1.diff-service"]
  default = [${text(`${name}-diff`)}, "walking"]
`;
}

/** Basic strings of TOML are escaped as those of JSON, of which it knows the same and more. */
const text = (value: string) => JSON.stringify(value);

function key(name: string): string {
  return /^[\w-]+$/.test(name) ? name : text(name);
}
