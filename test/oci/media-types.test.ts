import { expect, test } from 'vitest';
import {
  isConfig,
  isIndex,
  isLayer,
  isManifest,
  isNonDistributable,
  layerCompression,
  MEDIA_TYPE,
} from '../../src/oci/media-types.js';

const OCI = 'application/vnd.oci.image.layer';
const DOCKER = 'application/vnd.docker.image.rootfs';

test('each media type is of one kind', () => {
  const kinds = Object.values(MEDIA_TYPE).map((type) =>
    [isIndex, isManifest, isConfig, isLayer].map((is) => is(type)).filter(Boolean),
  );
  expect(kinds).toEqual(kinds.map(() => [true]));
});

test.each([
  [`${OCI}.v1.tar`, 'none'],
  [`${OCI}.v1.tar+gzip`, 'gzip'],
  [`${OCI}.v1.tar+zstd`, 'zstd'],
  [`${OCI}.nondistributable.v1.tar+zstd`, 'zstd'],
  [`${DOCKER}.diff.tar`, 'unknown'],
  [`${DOCKER}.diff.tar.gzip`, 'gzip'],
  [`${DOCKER}.foreign.diff.tar.gzip`, 'gzip'],
])('%s is %s', (mediaType, compression) => {
  expect(layerCompression(mediaType)).toBe(compression);
});

test.each([`${OCI}.v1.tar+gzip+encrypted`, 'application/vnd.in-toto+json', 'constructor'])(
  '%s is no layer that overlayer reads',
  (mediaType) => {
    expect(() => layerCompression(mediaType)).toThrow(expect.objectContaining({ code: 'Unimplemented' }));
  },
);

test('foreign layers are told from the others', () => {
  expect(isNonDistributable(`${DOCKER}.foreign.diff.tar.gzip`)).toBe(true);
  expect(isNonDistributable(`${OCI}.nondistributable.v1.tar`)).toBe(true);
  expect(isNonDistributable(MEDIA_TYPE.layerGzip)).toBe(false);
});
