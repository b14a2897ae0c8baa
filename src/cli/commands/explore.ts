import {
  compareExplored,
  displayPath,
  type ExploredImage,
  exploreImage,
  OverlayerError,
  type PathChange,
  readImageFile,
  writeImagePage,
} from '../../index.js';
import { CHECK_FAILED_EXIT_CODE } from '../exit-code.js';
import { type ExploredInput, openExplored } from '../explored-input.js';
import { abortOnSignals, reportFailure } from '../failure.js';
import type { ExploreFlags, LookFlags } from '../flags/explore-flags.js';
import { writeOutput } from '../output.js';
import { type Check, checksText, comparisonText, exploredText } from '../render/explored.js';
import { formatBytes } from '../render/format.js';
import { printResult } from '../render/print.js';
import { createPullProgress } from '../render/progress/pull-progress.js';
import { standardError, standardOutput } from '../standard-streams.js';

const CI_EFFICIENCY = 0.9;

/** Tells what an image is made of. @returns the exit code */
export async function explore(
  argument: string,
  flags: ExploreFlags,
  given: readonly string[],
): Promise<number> {
  const signal = abortOnSignals();
  try {
    const image = await exploreArgument(argument, flags, { given, signal });
    const other =
      flags.compare === undefined
        ? undefined
        : await exploreArgument(flags.compare, flags, { given, signal });
    const checks = checksOf(image, flags);
    if (flags.html !== undefined) await writePage(flags.html, { image, other, checks, flags, signal });
    else if (other !== undefined) printChecked(flags, comparisonOf(other, image), checks);
    else if (checks.length === 0 && !flags.json && isTerminal())
      await exploreOnTerminal(image, (path) => readAgain(argument, path, flags, { given, signal }), signal);
    else printChecked(flags, { document: documentOf(image), text: () => exploredText(image) }, checks);
    return checks.every(({ passed }) => passed) ? 0 : CHECK_FAILED_EXIT_CODE;
  } catch (error) {
    return reportFailure(error, flags);
  }
}

interface Result {
  readonly document: object;
  /** Called without `--json` only. */
  readonly text: () => string;
}

function printChecked(flags: ExploreFlags, { document, text }: Result, checks: readonly Check[]): void {
  const field = checks.length === 0 ? undefined : checks;
  printResult(flags, { ...document, checks: field }, () => text() + checksText(checks));
}

interface Page {
  readonly image: ExploredImage;
  readonly other: ExploredImage | undefined;
  readonly checks: readonly Check[];
  readonly flags: ExploreFlags;
  readonly signal: AbortSignal;
}

/** Writes the page to a file, or for `-` to standard output. */
async function writePage(path: string, { image, other, checks, flags, signal }: Page): Promise<void> {
  let size = 0;
  async function* counted(): AsyncGenerator<Uint8Array, void, void> {
    for await (const bytes of writeImagePage(image, { compare: other })) {
      size += bytes.length;
      yield bytes;
    }
  }
  await writeOutput(counted(), path, signal);
  if (path === '-') standardError.write(checksText(checks));
  else {
    const text = () => `${displayPath(path)}: ${formatBytes(size)}\n`;
    printChecked(flags, { document: { path, size }, text }, checks);
  }
}

function isTerminal(): boolean {
  return process.stdin.isTTY === true && standardOutput.terminal !== undefined;
}

type Asked = { readonly given: readonly string[]; readonly signal: AbortSignal };

/** Opens the image once more for one file: it may be shown for hours, and few files are read. */
async function* readAgain(
  argument: string,
  path: string,
  flags: LookFlags,
  { given, signal }: Asked,
): AsyncGenerator<Uint8Array, void, void> {
  if (argument === '-')
    throw new OverlayerError('FailedPrecondition', 'Standard input was read: it cannot be read once more');
  await using input = await openExplored(argument, flags, given);
  yield* readImageFile(input.source, path, { ...input.options, signal });
}

async function exploreOnTerminal(
  image: ExploredImage,
  read: (path: string) => AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const [{ explorerModel }, { showExplorer }] = await Promise.all([
    import('../explorer/explorer-model.js'),
    import(new URL('../explorer.mjs', import.meta.url).href) as Promise<
      typeof import('../explorer/screen.js')
    >,
  ]);
  await showExplorer(explorerModel(image, read), { formatBytes, signal });
}

/** Reads an image to its end, and shows the progress. */
export async function exploreArgument(
  argument: string,
  flags: LookFlags,
  { given, signal }: Asked,
): Promise<ExploredImage> {
  await using input: ExploredInput = await openExplored(argument, flags, given);
  const task = exploreImage(input.source, { ...input.options, signal });
  const view = createPullProgress(flags.progress);
  try {
    for await (const event of task) view.tell(event);
  } finally {
    await view.end();
  }
  return await task;
}

function checksOf(image: ExploredImage, flags: ExploreFlags): readonly Check[] {
  const { maxWasted, maxSize, maxSetuid, minEfficiency = flags.ci ? CI_EFFICIENCY : undefined } = flags;
  const { efficiency, wastedBytes, size, setuid } = image;
  const checks: Check[] = [];
  if (minEfficiency !== undefined)
    checks.push({
      name: 'efficiency',
      limit: minEfficiency,
      actual: efficiency,
      passed: efficiency >= minEfficiency,
    });
  const atMost = (name: Check['name'], limit: number | undefined, actual: number) => {
    if (limit !== undefined) checks.push({ name, limit, actual, passed: actual <= limit });
  };
  atMost('wastedBytes', maxWasted, wastedBytes);
  atMost('size', maxSize, size);
  atMost('setuid', maxSetuid, setuid.length);
  return checks;
}

/** The image as the fields of a JSON document. */
function documentOf(image: ExploredImage): object {
  const { name, digest, platform, createdAt, layers } = image;
  const { entries, size, layerBytes, wastedBytes, efficiency, setuid } = image;
  return {
    name,
    digest,
    platform,
    createdAt,
    entries,
    size,
    layerBytes,
    wastedBytes,
    efficiency,
    layers,
    waste: image.waste(),
    setuid,
  };
}

function comparisonOf(before: ExploredImage, after: ExploredImage): Result {
  const files: readonly PathChange[] = compareExplored(before, after);
  const summary = ({ name, digest, size, entries }: ExploredImage) => ({ name, digest, size, entries });
  const document = { before: summary(before), after: summary(after), files };
  return { document, text: () => comparisonText(before, after, files) };
}
