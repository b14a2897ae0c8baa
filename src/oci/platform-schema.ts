import * as v from 'valibot';
import { maybe } from './document.js';
import type { Platform } from './platform.js';

export const PlatformSchema = v.pipe(
  v.object({
    os: v.string(),
    architecture: v.string(),
    variant: maybe(v.string()),
    'os.version': maybe(v.string()),
  }),
  v.transform(
    ({ os, architecture, variant, 'os.version': osVersion }): Platform => ({
      os,
      architecture,
      // Both are often there, and empty.
      ...(variant ? { variant } : {}),
      ...(osVersion ? { osVersion } : {}),
    }),
  ),
);
