import type { Command } from 'commander';
import { parseLabels, parseSize } from '../../flags/parse-value.js';
import { addListOptions, onStore } from '../../flags/store-options.js';

const DIGEST = 'sha256: and 64 hexadecimal digits';

const INGEST_HELP = `
What is interrupted goes on: the same REF, and the bytes from the beginning again.

Example:
  overlayer content ingest layer-1 --expected-digest sha256:4f5e… < layer.tar.gz`;

/** The commands on blobs. */
export function addContent(program: Command): void {
  const load = () => import('./blobs.js');
  const content = program
    .command('content')
    .description('Look at the blobs of images, and keep some of your own.')
    .helpCommand(false);

  addListOptions(onStore(content, 'ls', 'List blobs.'), 'labels."a.b"==c').action(async (flags) => {
    process.exitCode = await (await load()).ls(flags);
  });
  onStore(content, 'get', 'Write a blob to standard output.')
    .argument('<DIGEST>', DIGEST)
    .action(async (digest, flags) => {
      process.exitCode = await (await load()).get(digest, flags);
    });
  onStore(content, 'ingest', 'Make a blob of standard input.')
    .argument('<REF>', 'a name for it on its way')
    .option('--expected-digest <DIGEST>', 'fail unless it has this digest')
    .option('--expected-size <SIZE>', 'fail unless it has this size', parseSize)
    .option('--allow-empty', 'take nothing at all for an empty blob, without a digest that says so')
    .option('--label <LABEL=VALUE>', 'a label; may be repeated', parseLabels)
    .addHelpText('after', INGEST_HELP)
    .action(async (ref, flags) => {
      const { ingest } = await import('./ingest.js');
      process.exitCode = await ingest(ref, flags);
    });
  onStore(content, 'verify', 'Read blobs again, and compare them with their digests.')
    .argument('[DIGESTS...]', 'all, if there are none')
    .action(async (digests, flags) => {
      process.exitCode = await (await load()).verify(digests, flags);
    });
  onStore(content, 'rm', 'Remove blobs, whatever needs them.')
    .argument('<DIGESTS...>', DIGEST)
    .action(async (digests, flags) => {
      process.exitCode = await (await load()).rm(digests, flags);
    });
  addLeases(content);
  onStore(content, 'prune', 'Take away blobs and layers that no image leads to.').action(async (flags) => {
    const { prune } = await import('../images/changes.js');
    process.exitCode = await prune(flags);
  });
}

function addLeases(content: Command): void {
  const load = () => import('./leases.js');
  const leases = content
    .command('leases')
    .description('Look at leases: each keeps blobs and layers that no image leads to.')
    .helpCommand(false);
  addListOptions(onStore(leases, 'ls', 'List leases.'), 'id==mine').action(async (flags) => {
    process.exitCode = await (await load()).ls(flags);
  });
  onStore(leases, 'rm', 'End leases; what they kept goes with the next prune.')
    .argument('<IDS...>', 'their ids')
    .action(async (ids, flags) => {
      process.exitCode = await (await load()).rm(ids, flags);
    });
}
