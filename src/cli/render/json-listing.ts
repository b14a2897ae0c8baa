import {
  type Anomaly,
  displayJson,
  type LayerResult,
  type PlannedOperation,
  type TarEntry,
} from '../../index.js';
import { describeFailure } from '../failure.js';
import type { BufferedOutput } from '../output.js';
import { formatMode, formatTime } from './format.js';

/**
 * One JSON document, written while the layer is read, a line for each operation: `{"entries":[…],"result":{…}}`. After a
 * failure `"error"` stands in place of `"result"`, so that the document is still valid.
 */
export class JsonListing {
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
