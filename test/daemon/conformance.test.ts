import { pathToFileURL } from 'node:url';
import { describe } from 'vitest';
import { suiteInNamespace } from '../conformance/suite-in-namespace.js';
import { buildProgram } from '../helpers/build-program.js';

// The suite that every snapshotter has to pass, by way of a daemon: each open is a connection of its own.

describe.each(['overlay', 'erofs'] as const)('%s', (backend) =>
  suiteInNamespace({
    backend,
    privileges: 'root',
    opener: async (directory) =>
      pathToFileURL(await buildProgram(new URL('./grpc-snapshotter.js', import.meta.url), directory)).href,
    // The protocol has no locks and no text that is not well-formed, and what is closed is a connection.
    except: ['a lock runs', 'a failure ends a lock', 'a key must be printable', 'a second close'],
  }),
);
