import type { ImageConfig } from '../../oci/image-config.js';

/**
 * What runtimes obey: crun runs hooks and other handlers, runc sets properties of systemd and the configuration of
 * CRIU. An image is not to have a say in that.
 */
const OBEYED =
  /^(run\.oci\.|org\.systemd\.|org\.criu\.|io\.kubernetes\.cri|io\.podman\.|com\.github\.containers)/;

export interface Annotations {
  readonly annotations: Readonly<Record<string, string>>;
  readonly omittedLabels: readonly string[];
}

/** A label goes before what else would have its name (OCI image spec, conversion.md "Annotations"). */
export function annotationsOf({ platform, createdAt, process }: ImageConfig): Annotations {
  const implicit = {
    os: platform.os,
    architecture: platform.architecture,
    variant: platform.variant,
    'os.version': platform.osVersion,
    created: createdAt,
    stopSignal: process.stopSignal,
    exposedPorts: process.exposedPorts.length === 0 ? undefined : process.exposedPorts.join(','),
  };
  const annotations: Record<string, string> = {};
  for (const [name, value] of Object.entries(implicit))
    if (value !== undefined) annotations[`org.opencontainers.image.${name}`] = value;
  const labels = Object.entries(process.labels);
  for (const [name, value] of labels) if (!OBEYED.test(name)) annotations[name] = value;
  return { annotations, omittedLabels: labels.map(([name]) => name).filter((name) => OBEYED.test(name)) };
}
