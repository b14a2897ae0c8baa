import { platformDocument } from '../../oci/platform.js';
import { formatFamiliar, NAME_ANNOTATION, REF_NAME_ANNOTATION, storedReference } from '../reference.js';
import type { SourceImage } from '../source/image-source.js';

/** The file `oci-layout` (OCI image spec, image-layout.md). */
export const LAYOUT_DOCUMENT = { imageLayoutVersion: '1.0.0' } as const;

/** An image as an entry of a layout's index, with the annotations by which containerd, docker and skopeo name images. */
export function namedDescriptor({ name, target }: SourceImage): object {
  const { [NAME_ANNOTATION]: _, [REF_NAME_ANNOTATION]: __, ...others } = target.annotations ?? {};
  const { mediaType, digest, size, platform } = target;
  const annotations = { ...others, ...nameAnnotations(name) };
  return {
    mediaType,
    digest,
    size,
    ...(platform === undefined ? {} : { platform: platformDocument(platform) }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}

/**
 * A canonical reference is named by its tag too, because tools that only know the annotation of the specification read it as
 * a tag. Other names stay as they were given: skopeo finds `oci:DIR:NAME` by them.
 */
export function nameAnnotations(name: string | undefined): Readonly<Record<string, string>> {
  if (name === undefined) return {};
  const reference = storedReference(name);
  if (reference?.tag === undefined) return { [REF_NAME_ANNOTATION]: name };
  const isCanonical = reference.name === name;
  return { [NAME_ANNOTATION]: reference.name, [REF_NAME_ANNOTATION]: isCanonical ? reference.tag : name };
}

/** Docker's short form, always with the tag. */
export function dockerTag(name: string | undefined): string | undefined {
  const reference = name === undefined ? undefined : storedReference(name);
  if (reference?.tag === undefined) return undefined;
  const { domain, repository, tag } = reference;
  const untagged = formatFamiliar({ domain, repository, tag: undefined, digest: undefined });
  return `${untagged}:${tag}`;
}
