/** The extended attribute that holds a file's capabilities (capabilities(7)). */
export const CAPABILITY = 'security.capability';

/** struct vfs_cap_data and vfs_ns_cap_data (Linux, include/uapi/linux/capability.h), little-endian. */
const REVISION_2 = 0x02000000;
const REVISION_3 = 0x03000000;
const REVISION_MASK = 0xff000000;
/** The flag of capabilities that are effective. */
const EFFECTIVE = 1;
const REVISION_2_BYTES = 20;
const REVISION_3_BYTES = 24;

/**
 * A file's capabilities as the kernel stores them for the root of a user namespace: with that root's id on the host
 * (user_namespaces(7), version 3).
 *
 * @param hostUid maps an id of the namespace to the host
 */
export function withHostRoot(value: Uint8Array, hostUid: (id: number) => number): Uint8Array {
  const revision = revisionOf(value);
  if (revision === undefined) return value; // the plan has refused it
  const shifted = Buffer.alloc(REVISION_3_BYTES);
  shifted.set(value);
  const root = revision === REVISION_3 ? shifted.readUInt32LE(REVISION_2_BYTES) : 0;
  setRevision(shifted, REVISION_3);
  shifted.writeUInt32LE(hostUid(root), REVISION_2_BYTES);
  return shifted;
}

/**
 * A file's capabilities as a layer has them: without the host id of a namespace's root. On another host the kernel
 * would ignore or refuse them. Docker and containers/storage do the same.
 */
export function withoutHostRoot(value: Uint8Array): Uint8Array {
  if (revisionOf(value) !== REVISION_3) return value;
  const plain = Buffer.from(value.subarray(0, REVISION_2_BYTES));
  setRevision(plain, REVISION_2);
  return plain;
}

/** Whether the kernel takes the value (cap_convert_nscap; Linux, security/commoncap.c). */
export function isCapability(value: Uint8Array): boolean {
  if (value.length !== REVISION_2_BYTES && value.length !== REVISION_3_BYTES) return false;
  const revision = value.length === REVISION_2_BYTES ? REVISION_2 : REVISION_3;
  return (Buffer.from(value).readUInt32LE(0) & ~EFFECTIVE) >>> 0 === revision;
}

function revisionOf(value: Uint8Array): number | undefined {
  if (value.length !== REVISION_2_BYTES && value.length !== REVISION_3_BYTES) return undefined;
  const revision = (Buffer.from(value).readUInt32LE(0) & REVISION_MASK) >>> 0;
  return revision === REVISION_2 || revision === REVISION_3 ? revision : undefined;
}

/** Keeps the flags, which say whether the capabilities are effective. */
function setRevision(value: Buffer, revision: number): void {
  value.writeUInt32LE(((value.readUInt32LE(0) & ~REVISION_MASK) | revision) >>> 0, 0);
}
