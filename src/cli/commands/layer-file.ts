import { displayJson, type ErofsLayerInfo, readErofsTar, verifyErofsLayer } from '../../index.js';
import { abortOnSignals, reportFailure } from '../failure.js';
import type { TarFlags, VerifyLayerFlags } from '../flags/layer-flags.js';
import { writeOutput } from '../output.js';
import { formatBytes, formatCount } from '../render/format.js';
import { labelledRows, printResult } from '../render/print.js';
import { standardError } from '../standard-streams.js';

/** Writes the tar of a layer file. @returns the exit code */
export async function tar(path: string, flags: TarFlags): Promise<number> {
  const { output } = flags;
  const signal = abortOnSignals();
  try {
    const task = readErofsTar(path, { signal });
    await writeOutput(task, output, signal);
    const { diffID, tar } = await task;
    const written = { output, diffID, size: tar.length };
    if (output === '-') {
      if (flags.json) standardError.write(`${displayJson(written, 2)}\n`);
    } else
      printResult(
        flags,
        written,
        labelledRows(`Wrote ${output}`, [
          ['diffID', diffID],
          ['size', formatBytes(tar.length)],
        ]),
      );
    return 0;
  } catch (error) {
    return reportFailure(error, flags);
  }
}

/** Reads a layer file to its end, and proves its checksums. @returns the exit code: that of `DataLoss` if it is damaged */
export async function verify(path: string, flags: VerifyLayerFlags): Promise<number> {
  try {
    const layer = await verifyErofsLayer(path, { signal: abortOnSignals() });
    printResult(flags, document(layer), summary(layer));
    return 0;
  } catch (error) {
    return reportFailure(error, flags);
  }
}

function document({ path, tar: { offset, length }, ...rest }: ErofsLayerInfo): object {
  return { file: path, ...rest, tar: { offset, length } };
}

function summary(layer: ErofsLayerInfo): string {
  const { path, diffID, tar, size, entries, whiteouts, inodes, dependsOnLowers } = layer;
  return labelledRows(`${path} is whole`, [
    ['diffID', diffID],
    ['size', `${formatBytes(size)} (${formatBytes(tar.length)} of them are the tar)`],
    ['entries', formatCount(entries)],
    ['whiteouts', formatCount(whiteouts)],
    ['inodes', formatCount(inodes)],
    ['note', dependsOnLowers ? 'its files depend on the layers below it' : undefined],
  ]);
}
