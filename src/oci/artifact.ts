import { quoted } from './document.js';
import type { ImageManifest } from './manifest.js';
import { isConfig, isEncryptedLayer, isLayer } from './media-types.js';

/** Prefixes of the media types of common artifacts, with names for people. */
const KINDS: readonly (readonly [start: string, kind: string])[] = [
  ['application/vnd.cncf.helm.', 'a Helm chart'],
  ['application/vnd.in-toto', 'an attestation'],
  ['application/vnd.dev.cosign', 'a signature'],
  ['application/vnd.dev.sigstore.', 'a signature'],
  ['application/vnd.cncf.notary.', 'a signature'],
  ['application/spdx', 'a list of software (SBOM)'],
  ['text/spdx', 'a list of software (SBOM)'],
  ['application/vnd.cyclonedx', 'a list of software (SBOM)'],
  ['application/vnd.wasm.', 'a WebAssembly module'],
  ['application/wasm', 'a WebAssembly module'],
  ['application/vnd.docker.plugin.', 'a plugin of Docker'],
  ['application/vnd.ollama.', 'a language model'],
  ['application/vnd.docker.ai.', 'a language model'],
  ['application/vnd.cncf.model.', 'a language model'],
];

/** The config's media type of an artifact without a config. */
const EMPTY_CONFIG = 'application/vnd.oci.empty.v1+json';

/**
 * Describes a manifest that is not an image: `its config is application/vnd.cncf.helm.config.v1+json: a Helm chart`.
 *
 * @returns undefined for an image
 */
export function artifactOf({ artifactType, config, layers }: ImageManifest): string | undefined {
  const hasConfig = isConfig(config.mediaType);
  const hasLayers = layers.length === 0 || layers.some(({ mediaType }) => isImageLayer(mediaType));
  if (hasConfig && hasLayers) return undefined;
  const [layer] = layers;
  if (hasConfig) return say('its layers are', layer!.mediaType);
  if (artifactType !== undefined && artifactType !== '') return say('it is', artifactType);
  // The empty config has no information, so the first layer's type is used.
  if (config.mediaType === EMPTY_CONFIG && layer !== undefined) return say('it has', layer.mediaType);
  return say('its config is', config.mediaType);
}

function isImageLayer(mediaType: string): boolean {
  return isLayer(mediaType) || isEncryptedLayer(mediaType);
}

function say(where: string, mediaType: string): string {
  const kind = KINDS.find(([start]) => mediaType.toLowerCase().startsWith(start))?.[1] ?? 'an artifact';
  return `${where} ${quoted(mediaType)}: ${kind}`;
}
