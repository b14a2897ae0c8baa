import type { OverlaySupport } from '../../src/mount/overlay-support.js';

/** What a probe would find, for tests that mount nothing: layers with the owners of the disk, in any number. */
export const OVERLAY_SUPPORT: OverlaySupport = {
  supported: true,
  reason: undefined,
  userxattr: false,
  indexOff: true,
  lowerdirAppend: true,
  whiteoutDevices: true,
  idmapped: false,
};
