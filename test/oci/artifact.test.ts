import { describe, expect, test } from 'vitest';
import { artifactOf } from '../../src/oci/artifact.js';
import { MEDIA_TYPE } from '../../src/oci/media-types.js';

const blob = (mediaType: string) => ({ mediaType, digest: `sha256:${'a'.repeat(64)}`, size: 1 }) as const;
const manifest = (config: string, layers: readonly string[], artifactType?: string) => ({
  mediaType: MEDIA_TYPE.manifest,
  config: blob(config),
  layers: layers.map(blob),
  artifactType,
});

describe('an image', () => {
  test.each([
    ['without layers', manifest(MEDIA_TYPE.config, [])],
    ['of layers', manifest(MEDIA_TYPE.dockerConfig, [MEDIA_TYPE.layerGzip])],
    ['of encrypted layers', manifest(MEDIA_TYPE.config, [`${MEDIA_TYPE.layerGzip}+encrypted`])],
    ['that has an artifact type, too', manifest(MEDIA_TYPE.config, [MEDIA_TYPE.layer], 'application/x')],
    ['with a config of an old registry', manifest('application/octet-stream', [MEDIA_TYPE.dockerLayerGzip])],
  ])('%s', (_, document) => expect(artifactOf(document)).toBeUndefined());
});

test.each([
  [
    manifest('application/vnd.cncf.helm.config.v1+json', [
      'application/vnd.cncf.helm.chart.content.v1.tar+gzip',
    ]),
    'its config is application/vnd.cncf.helm.config.v1+json: a Helm chart',
  ],
  [
    manifest(MEDIA_TYPE.config, ['application/vnd.dev.cosign.simplesigning.v1+json']),
    'its layers are application/vnd.dev.cosign.simplesigning.v1+json: a signature',
  ],
  [
    manifest(MEDIA_TYPE.config, ['application/vnd.in-toto+json']),
    'its layers are application/vnd.in-toto+json: an attestation',
  ],
  [
    manifest('application/vnd.oci.empty.v1+json', ['text/plain'], 'application/vnd.cncf.notary.signature'),
    'it is application/vnd.cncf.notary.signature: a signature',
  ],
  [
    manifest('application/vnd.oci.empty.v1+json', ['application/wasm']),
    'it has application/wasm: a WebAssembly module',
  ],
  [
    manifest('application/vnd.unknown\u001b[2J', []),
    'its config is application/vnd.unknown\\x1b[2J: an artifact',
  ],
])('no image, but %#', (document, says) => {
  expect(artifactOf(document)).toBe(says);
});
