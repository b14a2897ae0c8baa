import { OverlayerError } from '../../base/errors.js';
import { parseReference, type Reference } from '../reference.js';

/** Annotations of index entries: the first is containerd's and docker's, the second the OCI image spec's (annotations.md). */
export const NAME_ANNOTATION = 'io.containerd.image.name';
export const REF_NAME_ANNOTATION = 'org.opencontainers.image.ref.name';

/** The grammar that annotations.md gives. */
const REF_NAME = /^[A-Za-z0-9]+(?:(?:--|[-._:@+/])[A-Za-z0-9]+)*$/;
const MAX_LENGTH = 512;

/** The name of an index entry, as containerd's import reads it (core/images/archive). */
export function imageName(annotations: Readonly<Record<string, string>> = {}): string | undefined {
  const name = annotations[NAME_ANNOTATION] ?? annotations[REF_NAME_ANNOTATION];
  return name === undefined ? undefined : storedName(name);
}

/** The canonical form of a reference; other valid names as they are; undefined for an invalid name. */
export function storedName(name: string): string | undefined {
  const reference = storedReference(name);
  if (reference !== undefined) return reference.name;
  return name.length <= MAX_LENGTH && REF_NAME.test(name) ? name : undefined;
}

/** The reference that an image is stored under. A single word is not one: tools write a bare tag into a layout. */
export function storedReference(name: string): Reference | undefined {
  return /[/:@]/.test(name) ? readReference(name) : undefined;
}

/** Whether `wanted` chooses the image with this name. */
export function isNamed(name: string | undefined, wanted: string): boolean {
  return name !== undefined && (name === wanted || name === canonicalName(wanted));
}

/** @returns undefined when the name is not a reference */
export function canonicalName(name: string): string | undefined {
  return readReference(name)?.name;
}

function readReference(name: string): Reference | undefined {
  try {
    return parseReference(name);
  } catch (error) {
    if (OverlayerError.is(error)) return undefined;
    throw error;
  }
}
