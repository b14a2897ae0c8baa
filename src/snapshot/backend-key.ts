import type { Key } from '../metadata/metadata-store.js';

/** Whose the snapshots of a root are. */
export const BACKEND_KEY: Key = ['backend'];
