import * as v from 'valibot';
import { lenient, TextSchema } from './document.js';
import type { Platform } from './platform.js';

const WordSchema = lenient(TextSchema);

/** The platform fields of a config or an index entry. All are optional. */
export const PlatformSchema = v.pipe(
  v.object({ os: WordSchema, architecture: WordSchema, variant: WordSchema, 'os.version': WordSchema }),
  v.transform(
    ({ os = '', architecture = '', variant, 'os.version': osVersion }): Platform => ({
      os,
      architecture,
      // Many documents have both fields with empty values.
      ...(variant ? { variant } : {}),
      ...(osVersion ? { osVersion } : {}),
    }),
  ),
);
