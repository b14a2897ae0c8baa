import { checkOptions, type OptionNames } from '../../base/check-arguments.js';
import { formatPlatform, hostPlatform } from '../../oci/platform.js';
import type { Capability } from '../../snapshot/backends/backend.js';

/** Of containerd's configuration: 2 up to containerd 1.7, 3 from 2.0 on, 4 from 2.3 on. */
export type ContainerdConfigVersion = 2 | 3 | 4;

/** Which daemon containerd is to use, and for what. */
export interface ContainerdConfigOptions {
  /** Of the daemon's socket, an absolute path. */
  readonly address: string;
  /** @default 'overlayer' */
  readonly name?: string | undefined;
  /** Of the daemon, an absolute path: Kubernetes looks how full its disk is. */
  readonly root: string;
  /** Of its backend: what containerd may ask of it. */
  readonly capabilities: readonly Capability[];
  /**
   * Where no mount can map the owners in a user namespace, containerd refuses the container, as with its own overlayfs.
   * Otherwise it copies the whole tree first, and gives the copy other owners.
   * @default false
   */
  readonly onlyRemapIds?: boolean | undefined;
  /** Of a file of its own, for `conf.d` or `imports`. @default a part for the end of a file of any version */
  readonly version?: ContainerdConfigVersion | undefined;
}

const CONTAINERD_CONFIG_OPTIONS = {
  address: true,
  name: true,
  root: true,
  capabilities: true,
  onlyRemapIds: true,
  version: true,
} satisfies OptionNames<ContainerdConfigOptions>;

/**
 * The part of containerd's configuration that names a daemon, in TOML.
 *
 * All versions of the configuration have the same tables for it. Differs as plugins of their own are known from
 * containerd 1.7 on; one before it does not start with them, so they come last, to be cut off.
 */
export function containerdConfig(options: ContainerdConfigOptions): string {
  checkOptions('containerdConfig', options, CONTAINERD_CONFIG_OPTIONS);
  const { address, name = 'overlayer', root, onlyRemapIds = false, version } = options;
  const differ = `${name}-diff`;
  const capabilities = [...options.capabilities, ...(onlyRemapIds ? ['only-remap-ids'] : [])];
  const platform = formatPlatform(hostPlatform());
  return `${beginning(version)}
[proxy_plugins.${key(name)}]
  type = "snapshot"
  address = ${text(address)}
  capabilities = [${capabilities.map(text).join(', ')}]
  [proxy_plugins.${key(name)}.exports]
    root = ${text(root)}

# For Kubernetes, in the table of config.toml. Version 2:
#   [plugins."io.containerd.grpc.v1.cri".containerd]
#     snapshotter = ${text(name)}
# Versions 3 and 4:
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

# For what containerd pulls and imports by itself (ctr and Kubernetes with containerd 2). Such tables take the place of
# containerd's own, so those come first; a pull that names no snapshotter goes to the first. No other differ is asked here:
# encrypted layers take a client that unpacks them (ctr images pull --local; use_local_image_pull for Kubernetes).
${unpackConfig(platform, 'overlayfs', 'walking')}
${unpackConfig(platform, name, differ)}
${erofs(platform, version)}`;
}

function beginning(version: ContainerdConfigVersion | undefined): string {
  if (version === undefined)
    return `# For the end of /etc/containerd/config.toml, once. The file has to say that it is of version 2, 3 or 4: without the line
# "version = 2" at its beginning it is of version 1, and the differ is passed over in silence. A file that has these
# tables already, as "containerd config default" writes it, can't have them twice: print a file of its own then
# (--print-containerd-config VERSION), for "imports" or conf.d.
`;
  return `# A file of its own: /etc/containerd/conf.d/overlayer.toml, which the default configuration of containerd 2.2 and later
# imports, or any that "imports" of /etc/containerd/config.toml names. That one's version may not be lower than this.
version = ${version}
`;
}

function unpackConfig(platform: string, snapshotter: string, differ: string): string {
  return `[[plugins."io.containerd.transfer.v1.local".unpack_config]]
  platform = ${text(platform)}
  snapshotter = ${text(snapshotter)}
  differ = ${text(differ)}
`;
}

/** One of containerd's own, which versions before 2.3 do not start their transfer service with. */
function erofs(platform: string, version: ContainerdConfigVersion | undefined): string {
  const entry = `${unpackConfig(platform.replace('/', '(+erofs)/'), 'erofs', 'erofs')}  optional = true\n`;
  if (version === 4) return entry;
  return `# containerd 2.3 and later have this one as well:\n${entry.replace(/^/gm, '# ').replace(/# $/, '')}`;
}

/** Basic strings of TOML are escaped as those of JSON, of which it knows the same and more. */
const text = (value: string) => JSON.stringify(value);

function key(name: string): string {
  return /^[\w-]+$/.test(name) ? name : text(name);
}
