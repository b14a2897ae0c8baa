import { OverlayerError } from '../base/errors.js';

/** `sha256:` and 64 lower-case hexadecimal digits (OCI image spec, descriptor.md "Digests"). */
export type Digest = `sha256:${string}`;
/** Digest of a layer's uncompressed tar, including bytes after the end of the archive. */
export type DiffID = Digest;

/** @throws OverlayerError `InvalidArgument` for any other form, `Unimplemented` for another algorithm */
export function parseDigest(text: string): Digest {
  if (/^sha256:[0-9a-f]{64}$/.test(text)) return text as Digest;
  if (/^sha(384|512):[0-9a-f]{96,128}$/.test(text))
    throw new OverlayerError('Unimplemented', `Digest algorithm is not supported: "${text}"`, {
      hint: 'overlayer supports only sha256: write the image again with such digests',
    });
  throw new OverlayerError('InvalidArgument', `Not a digest: "${text}"`, {
    hint: 'a digest is sha256: and 64 lower-case hexadecimal digits',
  });
}
