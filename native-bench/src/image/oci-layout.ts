import { createHash } from 'node:crypto';
import { linkSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Layer } from '../inputs.js';
import { run } from '../run.js';

/** An OCI layout at `dir` whose image `image` has these layers as gzip, linked rather than copied. */
export function writeOciLayout(dir: string, layers: readonly Layer[]): void {
  const blobs = join(dir, 'blobs', 'sha256');
  mkdirSync(blobs, { recursive: true });
  const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip';
  const descriptors = layers.map((layer) => {
    const gzip = layer.file('gzip');
    const digest = digestOfFile(gzip);
    linkSync(gzip, join(blobs, digest));
    return { mediaType, digest: `sha256:${digest}`, size: statSync(gzip).size };
  });

  const putJson = (mediaType: string, value: object) => {
    const text = JSON.stringify(value);
    const digest = createHash('sha256').update(text).digest('hex');
    writeFileSync(join(blobs, digest), text);
    return { mediaType, digest: `sha256:${digest}`, size: text.length };
  };
  const config = putJson('application/vnd.oci.image.config.v1+json', {
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => `sha256:${digestOfFile(layer.file('tar'))}`) },
  });
  const manifest = putJson('application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    config,
    layers: descriptors,
  });
  const annotations = { 'org.opencontainers.image.ref.name': 'image' };
  const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations }] };
  writeFileSync(join(dir, 'index.json'), JSON.stringify(index));
  writeFileSync(join(dir, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
}

function digestOfFile(file: string): string {
  return run(['sha256sum', file]).split(' ')[0]!;
}
