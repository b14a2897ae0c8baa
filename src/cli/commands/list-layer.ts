import {
  type Anomaly,
  displayJson,
  type LayerResult,
  type PlannedOperation,
  planLayer,
  type TarEntry,
} from '../../index.js';
import { abortOnSignals, describeFailure, reportFailure } from '../failure.js';
import type { InspectFlags } from '../flags/layer-flags.js';
import type { ProgressForm } from '../flags/store-flags.js';
import type { Input } from '../input.js';
import { readOptions } from '../options.js';
import { BufferedOutput } from '../output.js';
import { formatMode, formatTime } from '../render/format.js';
import { LateProgress } from '../render/progress/late-progress.js';

/** How a layer is listed as text. */
interface Listing {
  readonly row: (planned: PlannedOperation) => string;
  /** Follows the last row, after an empty line. */
  readonly end: (result: LayerResult) => string;
}

/** Lists the operations of a layer while it is read: as text, or with `--json` as one document. @returns the exit code */
export async function listLayer(
  { source }: Input,
  flags: InspectFlags & { readonly progress?: ProgressForm },
  { row, end }: Listing,
): Promise<number> {
  const output = new BufferedOutput();
  const json = flags.json ? new JsonListing(output) : undefined;
  // The rows are progress enough, unless the user wants another form.
  const { progress: form = 'auto' } = flags;
  const progress = new LateProgress(form === 'auto' ? 'none' : form);
  try {
    const plan = planLayer(source, {
      ...readOptions(flags),
      signal: abortOnSignals(),
      onProgress: (now) => progress.update(now),
    });
    for await (const planned of plan) {
      if (json) await json.add(planned);
      else await output.write(row(planned));
    }
    const result = await plan;
    if (json) await json.end({ result });
    else await output.write(`\n${end(result)}`);
    await output.flush();
    return 0;
  } catch (error) {
    await json?.fail(error);
    await output.flush();
    return reportFailure(error, flags);
  } finally {
    await progress.end();
  }
}

/**
 * One JSON document, written while the layer is read, a line for each operation: `{"entries":[…],"result":{…}}`. After a
 * failure `"error"` stands in place of `"result"`, so that the document is still valid.
 */
class JsonListing {
  readonly #output: BufferedOutput;
  #before = '{"entries":[\n';

  constructor(output: BufferedOutput) {
    this.#output = output;
  }

  async add(planned: PlannedOperation): Promise<void> {
    const text = `${this.#before}${displayJson(operationDocument(planned))}`;
    this.#before = ',\n';
    await this.#output.write(text);
  }

  async end(last: { readonly result: LayerResult }): Promise<void> {
    await this.#end(last);
  }

  async fail(error: unknown): Promise<void> {
    await this.#end({ error: describeFailure(error) });
  }

  async #end(last: object): Promise<void> {
    const opening = this.#before === ',\n' ? '\n' : this.#before;
    await this.#output.write(`${opening}],${displayJson(last).slice(1)}\n`);
  }
}

function operationDocument({ operation, anomalies }: PlannedOperation): object {
  const { op, path, entry } = operation;
  return {
    op,
    path,
    linkPath: op === 'hardlink' ? operation.linkPath : undefined,
    entry: entryDocument(entry),
    anomalies: anomalies.map(({ kind, detail }: Anomaly) => ({ kind, detail })),
  };
}

function entryDocument(entry: TarEntry): object {
  const { path, type, size, mode, uid, gid, linkPath, devMajor, devMinor, xattrs, sparse, offset } = entry;
  const device = type === 'character-device' || type === 'block-device';
  return {
    path,
    type,
    size,
    mode: formatMode(mode),
    uid,
    gid,
    mtime: formatTime(entry.mtimeSec, entry.mtimeNsec),
    atime: entry.atimeSec === undefined ? undefined : formatTime(entry.atimeSec, entry.atimeNsec ?? 0),
    linkPath: linkPath || undefined,
    ...(device && { devMajor, devMinor }),
    xattrs:
      xattrs &&
      Object.fromEntries([...xattrs].map(([name, value]) => [name, Buffer.from(value).toString('base64')])),
    sparse: sparse || undefined,
    offset,
  };
}
