import * as v from 'valibot';
import { lenient, TextSchema } from './document.js';
import type { Platform } from './platform.js';

const WordSchema = lenient(TextSchema);

/** What a config, or an entry of an index, says of the platform: nothing of it has to be there. */
export const PlatformSchema = v.pipe(
  v.object({ os: WordSchema, architecture: WordSchema, variant: WordSchema, 'os.version': WordSchema }),
  v.transform(
    ({ os = '', architecture = '', variant, 'os.version': osVersion }): Platform => ({
      os,
      architecture,
      // Both are often there, and empty.
      ...(variant ? { variant } : {}),
      ...(osVersion ? { osVersion } : {}),
    }),
  ),
);
