// An access control list as the value of an attribute (Linux, include/uapi/linux/posix_acl_xattr.h): a header, and entries
// of a tag, permissions and an id, of 2, 2 and 4 bytes.

export const ACL_HEADER_BYTES = 4;
export const ACL_ENTRY_BYTES = 8;
export const ACL_TAG = {
  userObject: 0x01,
  user: 0x02,
  groupObject: 0x04,
  group: 0x08,
  mask: 0x10,
  other: 0x20,
} as const;
