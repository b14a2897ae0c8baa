/** The OCI runtime configuration, `config.json` of a bundle (OCI runtime spec, config.md): the fields that are made here. */
export interface RuntimeSpec {
  readonly ociVersion: string;
  readonly process: RuntimeProcess;
  readonly root: { readonly path: string };
  readonly mounts: readonly RuntimeMount[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly linux?: RuntimeLinux | undefined;
  readonly freebsd?: RuntimeFreeBSD | undefined;
}

/** The process of a container (OCI runtime spec, config.md, "Process"). */
export interface RuntimeProcess {
  readonly cwd: string;
  readonly env: readonly string[];
  readonly args: readonly string[];
  readonly user: RuntimeUser;
  readonly capabilities?:
    | Readonly<Record<'bounding' | 'permitted' | 'effective', readonly string[]>>
    | undefined;
  readonly noNewPrivileges?: boolean | undefined;
  readonly rlimits?:
    | readonly { readonly type: string; readonly hard: number; readonly soft: number }[]
    | undefined;
}

/** Ids of the process, as numbers in the container. */
export interface RuntimeUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
}

/** A mount in the container (OCI runtime spec, config.md, "Mounts"). */
export interface RuntimeMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** Namespaces, hidden paths and devices of a container on Linux (OCI runtime spec, config-linux.md). */
export interface RuntimeLinux {
  readonly namespaces: readonly { readonly type: string }[];
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly resources?:
    | { readonly devices: readonly { readonly allow: boolean; readonly access: string }[] }
    | undefined;
  readonly uidMappings?: readonly IDMapping[] | undefined;
  readonly gidMappings?: readonly IDMapping[] | undefined;
}

/** A range of ids in a user namespace, and the host's ids that it maps to. */
export interface IDMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

/** The part for FreeBSD (OCI runtime spec 1.3, config-freebsd.md). */
export interface RuntimeFreeBSD {
  readonly jail: { readonly host: 'new'; readonly vnet: 'new' };
}

/** The mappings of a container without privileges on the host. */
export interface RootlessMappings {
  readonly uidMappings: readonly IDMapping[];
  readonly gidMappings: readonly IDMapping[];
}

/** The root filesystem, and the platform and mappings of the container. */
export interface CreateRuntimeSpecOptions {
  /** The root filesystem, unpacked or mounted: an absolute path. Names of users and groups are looked up in it. */
  readonly rootfs: string;
  /** The system that runs the container. @default the image's */
  readonly os?: 'linux' | 'freebsd' | undefined;
  /**
   * Runs the container without privileges, in a user namespace with these mappings and with the host's network.
   * @default with privileges
   */
  readonly rootless?: RootlessMappings | undefined;
}

/** A runtime configuration, and the labels that it omits. */
export interface CreatedRuntimeSpec {
  /** The content of `config.json`. */
  readonly spec: RuntimeSpec;
  /** Names of labels that did not become annotations, because a runtime would obey them: `run.oci.hooks.…`. */
  readonly omittedLabels: readonly string[];
}
