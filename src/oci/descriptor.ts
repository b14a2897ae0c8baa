import * as v from 'valibot';
import { OverlayerError } from '../base/errors.js';
import { type Digest, parseDigest } from './digest.js';
import { checkFields, lenient, record, TextSchema } from './document.js';
import type { Platform } from './platform.js';
import { PlatformSchema } from './platform-schema.js';

/** The media type, digest and size of a blob (OCI image spec, descriptor.md). */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Size of the blob in bytes. */
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** The platform of a manifest. Only descriptors in an index have it. */
  readonly platform?: Platform | undefined;
  /** Other places of the blob. They are used only if the caller asks for it (CVE-2020-15157). */
  readonly urls?: readonly string[] | undefined;
}

/**
 * Reads a descriptor.
 *
 * @param what the name of the descriptor in errors
 * @throws OverlayerError `InvalidArgument` that names the field, `Unimplemented` for a digest other than sha256
 */
export function parseDescriptor(value: unknown, what = 'descriptor'): Descriptor {
  return checkFields(value, DescriptorSchema, what);
}

/** The syntax of media types (RFC 6838, section 4.2). */
const MEDIA_TYPE_NAME = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/i;

export const DigestSchema = v.pipe(
  v.string(),
  v.rawTransform<string, Digest>(({ dataset, addIssue, NEVER }) => {
    try {
      return parseDigest(dataset.value);
    } catch (error) {
      if (!OverlayerError.is(error) || error.code !== 'InvalidArgument') throw error;
      addIssue({ message: error.message });
      return NEVER;
    }
  }),
);

export const AnnotationsSchema = lenient(record(TextSchema));

const MediaTypeSchema = v.pipe(
  v.string(),
  v.regex(MEDIA_TYPE_NAME, ({ received }) => `Not a media type: ${received}`),
);

const BLOB_FIELDS = {
  digest: DigestSchema,
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  annotations: AnnotationsSchema,
  platform: lenient(PlatformSchema),
  urls: lenient(v.array(v.string())),
} as const;

export const DescriptorSchema = v.object({ mediaType: MediaTypeSchema, ...BLOB_FIELDS });

/** The descriptor of a config. Old registries omitted its media type. */
export const ConfigDescriptorSchema = v.object({
  mediaType: v.nullish(v.union([v.literal(''), MediaTypeSchema]), ''),
  ...BLOB_FIELDS,
});
