import type { Command } from 'commander';
import { collect } from '../../flags/parse-value.js';

export interface CheckFlags {
  readonly root?: string;
  readonly quick?: true;
  readonly repair?: true;
  readonly layer?: readonly string[];
  readonly prune?: true;
  readonly dryRun?: true;
  readonly rebuild?: true;
  readonly json?: true;
}

const HELP = `
What is damaged is found by the manifest that each snapshot gets when it is committed. A layer (--layer) is taken for
the snapshots whose manifest, or whose name (chainID), is of that layer.

Examples:
  overlayer snapshots check --quick
  overlayer snapshots check --repair --layer base.tar.gz --layer app.tar.gz
  overlayer snapshots check --prune --dry-run
  overlayer snapshots check --rebuild

Exits with 15 (DataLoss) when something is damaged and was not repaired. What belongs to no snapshot is no damage.`;

/** The command that compares snapshots with what is on disk. */
export function addSnapshotsCheck(snapshots: Command): void {
  snapshots
    .command('check')
    .description('Compare snapshots with what is on disk, and repair them.')
    .option('--root <DIR>', 'where the snapshots are')
    .option('--quick', 'look at files without reading them')
    .option('--repair', 'replace what is damaged from the layers')
    .option('--layer <FILE>', 'a layer to repair from; may be repeated', collect)
    .option('--prune', 'free what belongs to no snapshot')
    .option('--dry-run', 'change nothing, and say what would be done')
    .option('--rebuild', 'first make damaged or lost metadata anew from the directories')
    .option('--json', 'print the report as one JSON document')
    .addHelpText('after', HELP)
    .action(async (flags: CheckFlags, command: Command) => {
      if (flags.rebuild && flags.dryRun)
        command.error("error: option '--rebuild' cannot be used with '--dry-run'");
      if (flags.layer && !flags.repair) command.error("error: option '--layer' needs '--repair'");
      const { check } = await import('./check.js');
      process.exitCode = await check(flags);
    });
}
