import { checkArgument, checkOptions, type OptionNames } from '../../base/check-arguments.js';
import { formatPlatform, hostPlatform } from '../../oci/platform.js';
import type { Capability } from '../../snapshot/backends/backend.js';

/** Version of containerd's configuration: 2 up to containerd 1.7, 3 since 2.0, 4 since 2.3. */
export type ContainerdConfigVersion = 2 | 3 | 4;

/** The daemon that containerd uses. */
export interface ContainerdConfigOptions {
  /** Absolute path of the daemon's socket. */
  readonly address: string;
  /** Name of the snapshotter. The differ is NAME-diff. @default 'overlayer' */
  readonly name?: string | undefined;
  /** Absolute path of the daemon's root. Kubernetes checks the free space of its disk. */
  readonly root: string;
  /** Capabilities of the daemon's snapshot backend. */
  readonly capabilities: readonly Capability[];
  /**
   * True makes containerd refuse a container in a user namespace when no mount can map the owners of files, as with its
   * own overlayfs. Without it, containerd copies the whole tree and changes the owners of the copy.
   * @default false
   */
  readonly onlyRemapIds?: boolean | undefined;
  /** Version of a separate file for `conf.d` or `imports`. @default a part to append to a file of any version */
  readonly version?: ContainerdConfigVersion | undefined;
}

const CONTAINERD_CONFIG_OPTIONS = {
  address: 'path',
  name: 'string',
  root: 'path',
  capabilities: 'strings',
  onlyRemapIds: 'boolean',
  version: 'number',
} satisfies OptionNames<ContainerdConfigOptions>;

/**
 * The part of containerd's configuration that names a daemon, in TOML.
 *
 * All versions of the configuration have the same tables. Differs as plugins exist since containerd 1.7. Earlier
 * versions do not start with them, so they come last and can be removed.
 */
export function containerdConfig(options: ContainerdConfigOptions): string {
  checkOptions('containerdConfig', options, CONTAINERD_CONFIG_OPTIONS);
  checkArgument('capabilities', options.capabilities, 'strings');
  for (const name of ['address', 'root'] as const) checkArgument(name, options[name], 'string');
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

# containerd 1.6 (Debian 12) does not start with the tables below. Remove them there: containerd then unpacks layers itself,
# into the same snapshots.

[proxy_plugins.${key(differ)}]
  type = "diff"
  address = ${text(address)}

# Unpacks layers. Layers that it does not support are left to containerd's own differ.
[plugins."io.containerd.service.v1.diff-service"]
  default = [${text(differ)}, "walking"]

# For pulls and imports that containerd does itself (ctr and Kubernetes with containerd 2). These tables replace containerd's
# defaults, so the default comes first: a pull that names no snapshotter uses the first table. Only the named differ is used
# here, so the client must unpack encrypted layers (ctr images pull --local; use_local_image_pull for Kubernetes).
${unpackConfig(platform, 'overlayfs', 'walking')}
${unpackConfig(platform, name, differ)}
${erofs(platform, version)}`;
}

function beginning(version: ContainerdConfigVersion | undefined): string {
  if (version === undefined)
    return `# Append this once to /etc/containerd/config.toml. The file must begin with "version = 2" (or 3 or 4): without that line it has
# version 1, and containerd ignores the differ without a message. A file that has these tables already, such as the output of
# "containerd config default", can't have them twice. For such a file, print a separate one with
# --print-containerd-config VERSION, and name it in "imports" or put it into conf.d.
`;
  return `# A separate file. The default configuration of containerd 2.2 and later imports /etc/containerd/conf.d/overlayer.toml. Other
# configurations name the file in "imports" of /etc/containerd/config.toml, whose version must not be lower than this one.
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

/** containerd's own entry for EROFS. Versions before 2.3 do not start their transfer service with it. */
function erofs(platform: string, version: ContainerdConfigVersion | undefined): string {
  const entry = `${unpackConfig(platform.replace('/', '(+erofs)/'), 'erofs', 'erofs')}  optional = true\n`;
  if (version === 4) return entry;
  return `# containerd 2.3 and later also have this table:\n${entry.replace(/^/gm, '# ').replace(/# $/, '')}`;
}

/** A string in TOML. All escapes of JSON are valid in TOML's basic strings. */
const text = (value: string) => JSON.stringify(value);

function key(name: string): string {
  return /^[\w-]+$/.test(name) ? name : text(name);
}
