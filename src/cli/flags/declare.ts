import { type Command, InvalidArgumentError, Option } from 'commander';

declare const VALUE: unique symbol;

/** One option of the command line: how it is written, its help, its parser, and the type of its value. */
export type Flag<Name extends string = string, Value = unknown> = Option & {
  /** Exists for the compiler only. */
  readonly [VALUE]?: readonly [name: Name, value: Value];
};

/** `--hosts-dir <DIR>` is `hostsDir`, `--no-sync` is `sync`: the names that commander gives. */
type NameOf<Spec extends string> = Spec extends `-${string}, --${infer Long}`
  ? NameOf<`--${Long}`>
  : Spec extends `--${infer Long} ${string}`
    ? NameOf<`--${Long}`>
    : Spec extends `--no-${infer Rest}`
      ? CamelCase<Rest>
      : Spec extends `--${infer Long}`
        ? CamelCase<Long>
        : never;
type CamelCase<Text extends string> = Text extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Text;
type PlainValue<Spec extends string> = Spec extends `${string}<${string}`
  ? string | undefined
  : Spec extends `--no-${string}`
    ? boolean
    : true | undefined;

/** Gets the value of the earlier occurrence where an option is repeated. */
type Parser<Value> = (text: string, previous?: Value) => Value;
type AnyParser = (text: string, previous: never) => unknown;

/** @param values the words that the option takes, or what parses its value */
export function flag<const Spec extends string>(
  spec: Spec,
  help: string,
): Flag<NameOf<Spec>, PlainValue<Spec>>;
export function flag<const Spec extends string, const Word extends string>(
  spec: Spec,
  help: string,
  values: readonly Word[],
): Flag<NameOf<Spec>, Word | (Spec extends `${string}[${string}` ? true : never) | undefined>;
export function flag<const Spec extends string, Value>(
  spec: Spec,
  help: string,
  values: Parser<Value>,
): Flag<NameOf<Spec>, Value | undefined>;
export function flag(spec: string, help: string, values?: readonly string[] | AnyParser): Flag<never, never> {
  const option = new Option(spec, help);
  if (values === undefined) return option;
  return typeof values === 'function' ? option.argParser(values as Parser<unknown>) : option.choices(values);
}

export function withDefault<Name extends string, Value>(
  option: Flag<Name, Value>,
  value: NonNullable<Value>,
): Flag<Name, NonNullable<Value>> {
  return option.default(value) as Flag<Name, NonNullable<Value>>;
}

export function required<Name extends string, Value>(
  option: Flag<Name, Value>,
): Flag<Name, NonNullable<Value>> {
  return option.makeOptionMandatory() as Flag<Name, NonNullable<Value>>;
}

/** The same options, below a heading of their own in the help. */
export function grouped<const Flags extends readonly Flag[]>(heading: string, flags: Flags): Flags {
  const copies = flags.map((each) => Object.assign(new Option(each.flags), each).helpGroup(heading));
  return copies as unknown as Flags;
}

/** The values of a command's options, as commander gives them to its action. */
export type ValuesOf<Flags extends readonly Flag[]> = {
  readonly [Each in Flags[number] as NonNullable<Each[typeof VALUE]>[0]]: NonNullable<Each[typeof VALUE]>[1];
};

type Operand = readonly [spec: string, help: string, parse?: AnyParser];
type OperandValue<Each extends Operand> = Each extends readonly [string, string, Parser<infer Value>]
  ? Value
  : Each[0] extends `${string}...${string}`
    ? readonly string[]
    : Each[0] extends `[${string}`
      ? string | undefined
      : string;

interface CommandDeclaration<Operands extends readonly Operand[], Flags extends readonly Flag[]> {
  readonly name: string;
  /** One line: the list of commands shows it. */
  readonly summary: string;
  /** More sentences, for the command's own help. */
  readonly details?: string;
  readonly operands: Operands;
  readonly flags: Flags;
  /** Shown after the options. */
  readonly help?: string;
  /**
   * Loads what the command needs, and runs it.
   *
   * @param given the options that stand on the command line, such as `--dry-run`
   * @returns the exit code
   */
  readonly run: (
    operands: { readonly [At in keyof Operands]: OperandValue<Operands[At]> },
    flags: ValuesOf<Flags>,
    given: readonly string[],
  ) => Promise<number>;
}

/** The names of the only command that is declared below a group: its own, and those below it. */
const wanted = new WeakMap<Command, readonly string[]>();

/** Declares only one command below `group`. All of them take 5 ms. */
export function declareOnly(group: Command, path: readonly string[]): void {
  wanted.set(group, path);
}

function isLeftOut(parent: Command, name: string): boolean {
  const [only = name] = wanted.get(parent) ?? [];
  return only !== name;
}

export function addCommand<const Operands extends readonly Operand[], const Flags extends readonly Flag[]>(
  parent: Command,
  declaration: CommandDeclaration<Operands, Flags>,
): void {
  const { name, summary, details, operands, flags, help, run } = declaration;
  if (isLeftOut(parent, name)) return;
  const command = parent.command(name).summary(summary);
  command.description(details === undefined ? summary : `${summary} ${details}`);
  for (const [spec, text, parse] of operands)
    if (parse === undefined) command.argument(spec, text);
    else command.argument(spec, text, parse as Parser<unknown>);
  for (const each of flags) command.addOption(each);
  if (help !== undefined) command.addHelpText('after', `\n${help}`);
  command.action(async () => {
    const values = command.processedArgs as unknown as Parameters<typeof run>[0];
    process.exitCode = await run(values, command.opts(), givenFlags(command));
  });
}

export const HELP_COMMAND = 'print the help of a command';

/** A command that only holds other commands. @returns undefined if it is left out: no other command is declared below it */
export function addGroup(parent: Command, name: string, summary: string): Command | undefined {
  if (isLeftOut(parent, name)) return undefined;
  const group = parent.command(name).summary(summary).description(summary);
  declareOnly(group, wanted.get(parent)?.slice(1) ?? []);
  return group.helpCommand('help [command]', HELP_COMMAND);
}

function givenFlags(command: Command): string[] {
  const given = command.options.filter(
    (option) => command.getOptionValueSource(option.attributeName()) === 'cli',
  );
  return given.flatMap(({ long }) => long ?? []);
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  kib: 1024,
  kb: 1e3,
  m: 1024 ** 2,
  mib: 1024 ** 2,
  mb: 1e6,
  g: 1024 ** 3,
  gib: 1024 ** 3,
  gb: 1e9,
  t: 1024 ** 4,
  tib: 1024 ** 4,
  tb: 1e12,
};

/** Bytes: a number and perhaps a unit. As in GNU tools M and MiB are 1024², MB is 1000². */
export function parseSize(text: string): number {
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text) ?? [];
  const bytes = Math.floor(Number(digits) * (UNITS[unit.toLowerCase()] ?? Number.NaN));
  if (!Number.isSafeInteger(bytes) || bytes < 1)
    throw new InvalidArgumentError('It should be a size such as 4096, 10M or 2GiB.');
  return bytes;
}

export function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(count) || count < 1)
    throw new InvalidArgumentError('It should be a whole number above 0.');
  return count;
}

const COMPRESSIONS = ['none', 'gzip', 'zstd'] as const;

/** What the option of a compression chooses: the options of `createDiff`. */
export interface ChosenCompression {
  readonly compression: (typeof COMPRESSIONS)[number];
  readonly compressionLevel?: number | undefined;
}

/** Reads `zstd` or `zstd:19`. */
function parseCompression(text: string): ChosenCompression {
  const [name, level, ...rest] = text.split(':');
  const compression = COMPRESSIONS.find((known) => known === name);
  if (compression === undefined || rest.length > 0)
    throw new InvalidArgumentError(`It should be one of ${COMPRESSIONS.join(', ')}, or gzip:9 for a level.`);
  return level === undefined ? { compression } : { compression, compressionLevel: parseCount(level) };
}

/** @param fallback the form without the option, for the help */
export function compressionFlag(fallback: string): Flag<'compression', ChosenCompression | undefined> {
  const spec = '--compression <FORM[:LEVEL]>';
  const option = new Option(
    spec,
    `gzip:1 to gzip:9, zstd:1 to zstd:22 choose a level (default: ${fallback})`,
  );
  return option.choices(COMPRESSIONS).argParser(parseCompression as Parser<unknown>);
}

/** Seconds since 1970. */
function parseEpoch(text: string): Date {
  const time = new Date(Number(text) * 1000);
  if (!/^\d+$/.test(text) || Number.isNaN(time.getTime()))
    throw new InvalidArgumentError('It should be a number of seconds since 1970.');
  return time;
}

export function epochFlag(help = 'latest modification time, in seconds since 1970') {
  const option = flag('--source-date-epoch <SECONDS>', help, parseEpoch);
  // An empty variable counts as unset.
  return process.env['SOURCE_DATE_EPOCH'] === '' ? option : option.env('SOURCE_DATE_EPOCH');
}

/** Parses an option that may be repeated. */
export function collect(text: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, text];
}

/** `NAME=VALUE`; for an option that may be repeated. */
export function parseLabels(
  text: string,
  previous: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It should be a label such as name=value.');
  return { ...previous, [text.slice(0, at)]: text.slice(at + 1) };
}
