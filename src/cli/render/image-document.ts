import { formatPlatform, type Image } from '../../index.js';

/** An image as the fields of a JSON document. */
export function imageDocument({ name, target, platform, labels, createdAt, updatedAt }: Image): object {
  return { name, target, platform: formatPlatform(platform), labels, createdAt, updatedAt };
}
