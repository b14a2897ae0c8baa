import { checkOptions, describe, type OptionNames } from '../base/check-arguments.js';
import { OverlayerError } from '../base/errors.js';
import type { DiffID } from './digest.js';
import { quoted } from './document.js';
import type { HistoryEntry } from './image-config.js';
import { JsonText, withFields } from './json-text.js';
import { formatPlatform, type Platform, platformDocument } from './platform.js';

/** Changes of an image's config. A field that is not given stays as it is. */
export interface ConfigChanges {
  /** Environment variables by name; null removes one. */
  readonly env?: Readonly<Record<string, string | null>> | undefined;
  /** An empty list removes it. The cmd stays, and becomes its arguments. */
  readonly entrypoint?: readonly string[] | undefined;
  /** An empty list removes it. */
  readonly cmd?: readonly string[] | undefined;
  /** `user`, `uid`, `user:group` or `uid:gid`; empty removes it. */
  readonly user?: string | undefined;
  /** An absolute path; empty removes it. */
  readonly workingDir?: string | undefined;
  /** Labels by name; null removes one. */
  readonly labels?: Readonly<Record<string, string | null>> | undefined;
  /** `SIGTERM`, or a number; empty removes it. */
  readonly stopSignal?: string | undefined;
  /** Directories for volumes: true adds one, null removes it. */
  readonly volumes?: Readonly<Record<string, true | null>> | undefined;
  /** Ports such as `80/tcp` and `8000-8010/udp`; `80` is `80/tcp`. True adds one, null removes it. */
  readonly exposedPorts?: Readonly<Record<string, true | null>> | undefined;
  /** Name and address of the person or entity that is responsible for the image; empty removes it. */
  readonly author?: string | undefined;
  /** The platform that the image is for. */
  readonly platform?: Platform | undefined;
}

const CONFIG_CHANGES = {
  env: true,
  entrypoint: true,
  cmd: true,
  user: true,
  workingDir: true,
  labels: true,
  stopSignal: true,
  volumes: true,
  exposedPorts: true,
  author: true,
  platform: true,
} satisfies OptionNames<ConfigChanges>;

/** What a new image has and its base has not. */
export interface ConfigEdit {
  readonly changes?: ConfigChanges | undefined;
  /** Becomes the time of the image. Whole milliseconds. */
  readonly created: Date;
  /** The diffIDs of all layers. @default unchanged */
  readonly diffIDs?: readonly DiffID[] | undefined;
  /** Replaces the history, by entries as `rawHistory` gives them. @default unchanged */
  readonly history?: readonly RawHistoryEntry[] | undefined;
  /** Entries to append to the history. */
  readonly appended?: readonly HistoryEntry[] | undefined;
}

/** An entry of a history: its JSON, with unknown fields. */
export type RawHistoryEntry = string;

/**
 * @param config its JSON
 * @throws OverlayerError as `editImageConfig`
 */
export function rawHistory(config: string): readonly RawHistoryEntry[] {
  const history = new JsonText(Buffer.from(config), 'config').itemTexts(['history']);
  if (history.every((entry) => entry.startsWith('{'))) return history;
  throw notRead('history');
}

/** Whether a step made no layer. */
export function isEmptyLayer(entry: RawHistoryEntry): boolean {
  return JSON.parse(entry).empty_layer === true;
}

/** The entry of a step whose layer is gone. */
export function withoutLayer(entry: RawHistoryEntry): RawHistoryEntry {
  return withFields(entry, { empty_layer: true }, 'history');
}

/**
 * Changes a config in its text: fields that the edit does not name stay byte for byte.
 *
 * @param config its JSON (OCI image spec, config.md). An image from nothing begins with `emptyConfig`
 * @throws OverlayerError
 *   - `InvalidArgument`: a change is invalid. `option` is its field in `ConfigChanges`, with which the message begins
 *   - `InvalidArgument`, as `JsonText.get`: readers would disagree on a field that is changed
 */
export function editImageConfig(config: string, edit: ConfigEdit): Uint8Array {
  const { changes = {}, created, diffIDs, history, appended = [] } = edit;
  checkOptions('the option config', changes, CONFIG_CHANGES);
  const text = new JsonText(Buffer.from(config), 'config');
  text.set(['created'], formatTime(created));
  changeProcess(text, changes);
  if (changes.author !== undefined) text.set(['author'], checkText('author', changes.author) || undefined);
  if (changes.platform !== undefined) changePlatform(text, changes.platform);
  if (diffIDs !== undefined) {
    text.set(['rootfs', 'type'], 'layers');
    text.set(['rootfs', 'diff_ids'], diffIDs);
  }
  if (history !== undefined) text.setItems(['history'], history);
  if (appended.length > 0) text.append(['history'], ...appended.map(historyDocument));
  return text.bytes;
}

/** The config of an image without layers. */
export function emptyConfig(platform: Platform): string {
  return JSON.stringify({
    ...platformDocument(platform),
    config: {},
    rootfs: { type: 'layers', diff_ids: [] },
    history: [],
  });
}

/** RFC 3339, without the fraction of a whole second, as Go writes it. */
export function formatTime(time: Date): string {
  return time.toISOString().replace('.000Z', 'Z');
}

function historyDocument({ created, createdBy, author, comment, emptyLayer }: HistoryEntry): object {
  return {
    created,
    created_by: createdBy,
    author,
    comment,
    empty_layer: emptyLayer ? true : undefined,
  };
}

function changeProcess(text: JsonText, changes: ConfigChanges): void {
  const { env, entrypoint, cmd, user, workingDir, labels, stopSignal, volumes, exposedPorts } = changes;
  if (env !== undefined) text.set(['config', 'Env'], changeEnv(strings(text, 'Env'), env));
  if (entrypoint !== undefined) text.set(['config', 'Entrypoint'], words('entrypoint', entrypoint));
  if (cmd !== undefined) text.set(['config', 'Cmd'], words('cmd', cmd));
  if (user !== undefined) text.set(['config', 'User'], checkText('user', user) || undefined);
  if (workingDir !== undefined) {
    if (workingDir !== '' && !workingDir.startsWith('/'))
      throw wrong('workingDir', workingDir, 'not an absolute path');
    text.set(['config', 'WorkingDir'], checkText('workingDir', workingDir) || undefined);
  }
  if (labels !== undefined) changeMap(text, 'Labels', 'labels', entriesOf('labels', labels).map(label));
  if (stopSignal !== undefined) {
    if (!/^(?:SIG[A-Z0-9+-]+|\d{1,3}|)$/.test(stopSignal))
      throw wrong('stopSignal', stopSignal, 'not a signal such as SIGTERM or 15');
    text.set(['config', 'StopSignal'], stopSignal || undefined);
  }
  if (volumes !== undefined) changeMap(text, 'Volumes', 'volumes', entriesOf('volumes', volumes).map(volume));
  if (exposedPorts !== undefined)
    changeMap(text, 'ExposedPorts', 'exposedPorts', entriesOf('exposedPorts', exposedPorts).map(port));
}

/** Keeps the order: a variable that is set again stays in its place. */
function changeEnv(
  before: readonly string[],
  env: Readonly<Record<string, string | null>>,
): readonly string[] | undefined {
  const changed = new Map(entriesOf('env', env));
  for (const [name, value] of changed) {
    if (name === '' || name.includes('=')) throw wrong('env', name, 'not the name of a variable');
    checkText('env', name);
    if (value !== null) checkText('env', value);
  }
  const after = new Map<string, string>();
  for (const entry of before) {
    const name = entry.split('=', 1)[0]!;
    if (changed.get(name) !== null) after.set(name, entry);
  }
  for (const [name, value] of changed) if (value !== null) after.set(name, `${name}=${value}`);
  return after.size === 0 ? undefined : [...after.values()];
}

/** @param entries null removes the entry */
function changeMap(
  text: JsonText,
  field: string,
  option: string,
  entries: readonly (readonly [name: string, value: unknown])[],
): void {
  for (const [name] of entries) {
    checkText(option, name);
    if (name === '') throw wrong(option, name, 'empty');
  }
  text.setMembers(['config', field], new Map(entries));
}

/** @throws OverlayerError `InvalidArgument` for a list, whose indexes would be names */
function entriesOf<Value>(
  option: string,
  values: Readonly<Record<string, Value>>,
): readonly (readonly [name: string, value: Value])[] {
  if (typeof values === 'object' && values !== null && !Array.isArray(values))
    return Object.entries(values).filter(([, value]) => value !== undefined);
  throw new OverlayerError('InvalidArgument', `${option}: ${describe(values)} is not an object of names`, {
    option,
  });
}

function label([name, value]: readonly [string, string | null]): readonly [string, string | null] {
  return [name, value === null ? null : checkText('labels', value)];
}

function volume([path, value]: readonly [string, true | null]): readonly [string, object | null] {
  if (!path.startsWith('/')) throw wrong('volumes', path, 'not an absolute path');
  return [path, value && {}];
}

const PORT = /^([0-9]{1,5})(?:-([0-9]{1,5}))?(?:\/(tcp|udp|sctp))?$/;

function port([text, value]: readonly [string, true | null]): readonly [string, object | null] {
  const [, first, last = first, protocol = 'tcp'] = PORT.exec(text) ?? [];
  const isValid = first !== undefined && Number(first) <= Number(last) && Number(last) <= 65535;
  if (!isValid) throw wrong('exposedPorts', text, 'not a port such as 80, 80/udp or 8000-8010');
  return [`${first === last ? first : `${first}-${last}`}/${protocol}`, value && {}];
}

function changePlatform(text: JsonText, platform: Platform): void {
  const { os, architecture, variant, osVersion } = platform;
  if (os === '' || architecture === '') throw wrong('platform', formatPlatform(platform), 'not complete');
  text.set(['architecture'], architecture);
  text.set(['os'], os);
  text.set(['variant'], variant);
  text.set(['os.version'], osVersion);
}

function strings(text: JsonText, field: string): readonly string[] {
  const value = text.get(['config', field]) ?? [];
  // Go reads null as an empty text, which is no variable.
  const items = Array.isArray(value) ? value.filter((each) => each !== null && each !== '') : [undefined];
  if (items.every((each) => typeof each === 'string')) return items;
  throw notRead(`config.${field}`);
}

function notRead(field: string): OverlayerError {
  return new OverlayerError('InvalidArgument', `Cannot change the config: field ${field} has another form`, {
    hint: 'the base image is damaged',
  });
}

function words(option: string, list: readonly string[]): readonly string[] | undefined {
  if (!Array.isArray(list))
    throw new OverlayerError('InvalidArgument', `${option}: ${describe(list)} is not a list of words`, {
      option,
    });
  for (const word of list) checkText(option, word);
  return list.length === 0 ? undefined : list;
}

/** The kernel ends a text at a NUL. */
function checkText(option: string, text: string): string {
  if (typeof text !== 'string' || text.includes('\0'))
    throw wrong(option, String(text), 'not a text without NUL');
  return text;
}

function wrong(option: string, value: string, why: string): OverlayerError {
  return new OverlayerError('InvalidArgument', `${option}: "${quoted(value)}" is ${why}`, { option });
}
