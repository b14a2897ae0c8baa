import { join } from 'node:path';
import { peerDirectory } from './peer-directory.js';

/** Folders with the programs of newer containerds: the first that knows differs as plugins, and the first of version 2. */
export const NEWER_CONTAINERD = join(peerDirectory('containerd-1.7'), 'usr/bin');
export const CONTAINERD_2 = join(peerDirectory('containerd-2'), 'usr/bin');
