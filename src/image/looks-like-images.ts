import { closeSync, openSync, readSync, statSync } from 'node:fs';

const BLOCK = 512;
const NAME_BYTES = 100;

/** Names with which writers of image archives begin: docker, skopeo, podman, buildah, umoci's layouts in a tar. */
const FIRST_NAMES =
  /^(?:oci-layout|index\.json|manifest\.json|repositories|blobs\/?|(?:sha256:)?[0-9a-f]{64}(?:\/|\.json|\.tar))$/;

/**
 * Whether what is at a path might hold images, rather than be a layer: a directory, or a plain tar that begins as archives of images do. An
 * archive that is compressed as a whole is not looked into.
 */
export function looksLikeImages(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory()) return true;
  if (!stat?.isFile()) return false;
  const file = openSync(path, 'r');
  try {
    const header = Buffer.alloc(2 * BLOCK);
    readSync(file, header, 0, header.length, 0);
    const name = (at: number) => header.toString('latin1', at, at + NAME_BYTES).replace(/\0.*$/s, '');
    // `tar -C layout -c .` begins with the directory itself.
    const first = name(0) === './' ? name(BLOCK).replace(/^\.\//, '') : name(0);
    return FIRST_NAMES.test(first);
  } finally {
    closeSync(file);
  }
}
