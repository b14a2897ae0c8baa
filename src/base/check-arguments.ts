import { isDate } from 'node:util/types';
import { OverlayerError } from './errors.js';
import { DEFAULT_LIMITS } from './limits.js';

/** A string with a NUL is often the content of a file. */
const QUOTED_CHARACTERS = 80;

// The compiler finds these mistakes, too. The checks are for callers in JavaScript, and for values that are not typed.

/** The types of values that are checked here. Other values are checked where they are used. */
type OptionKind =
  | 'boolean'
  | 'number'
  | 'string'
  | 'path'
  | 'function'
  | 'list'
  | 'strings'
  | 'date'
  | 'object';

type KindOf<Value> = [Value] extends [boolean]
  ? 'boolean'
  : [Value] extends [number]
    ? 'number'
    : [Value] extends [string]
      ? 'string' | 'path'
      : [Value] extends [(...args: never) => unknown]
        ? 'function'
        : [Value] extends [readonly string[]]
          ? 'strings' | 'list'
          : [Value] extends [readonly unknown[]]
            ? 'list'
            : [Value] extends [Date]
              ? 'date'
              : [Value] extends [object]
                ? 'object'
                : true;

/**
 * All names of an options type, with the kinds of their values: `{ … } satisfies OptionNames<Options>` fails to compile if a
 * name is missing or unknown, or has another kind. `true` leaves the value to the function.
 */
export type OptionNames<Options> = {
  readonly [Name in keyof Options]-?: KindOf<NonNullable<Options[Name]>> | true;
};

/**
 * @param work name of the public function
 * @throws OverlayerError `InvalidArgument` for an option that the function does not have, or a value of another type
 */
export function checkOptions(
  work: string,
  options: unknown,
  names: Readonly<Record<string, OptionKind | true>>,
): void {
  if (typeof options !== 'object' || options === null)
    throw new OverlayerError('InvalidArgument', `The options of ${work} are ${describe(options)}`, {
      hint: `give an object; its options are ${Object.keys(names).join(', ')}`,
    });
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (name === 'signal') checkSignal(work, value);
    const kind = Object.hasOwn(names, name) ? names[name] : undefined;
    if (kind === undefined)
      throw new OverlayerError('InvalidArgument', `${work} has no option "${name}"`, {
        option: name,
        hint: optionHint(name, Object.keys(names)),
      });
    if (kind === 'path') checkPath(name, value);
    else if (kind !== true && !isOfKind(value, kind))
      throw new OverlayerError(
        'InvalidArgument',
        `The option "${name}" of ${work} is ${describeItems(value)}, not ${KIND_WORDS[kind]}`,
        { option: name },
      );
  }
}

function describeItems(value: unknown): string {
  return Array.isArray(value) ? `a list of ${value.map(describe).join(', ') || 'nothing'}` : describe(value);
}

const KIND_WORDS: Readonly<Record<Exclude<OptionKind, 'path'>, string>> = {
  boolean: 'a boolean',
  number: 'a number',
  string: 'a string',
  function: 'a function',
  list: 'a list',
  strings: 'a list of strings',
  date: 'a date',
  object: 'an object',
};

function isOfKind(value: unknown, kind: Exclude<OptionKind, 'path'>): boolean {
  if (kind === 'list') return Array.isArray(value);
  if (kind === 'strings') return Array.isArray(value) && value.every((each) => typeof each === 'string');
  if (kind === 'date') return isDate(value) && !Number.isNaN(value.getTime());
  if (kind === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  return typeof value === kind && !Number.isNaN(value);
}

function checkSignal(work: string, signal: unknown): void {
  if (typeof (signal as Partial<AbortSignal> | null)?.throwIfAborted === 'function') return;
  throw new OverlayerError('InvalidArgument', `The signal of ${work} is ${describe(signal)}`, {
    option: 'signal',
    hint: 'give the signal of an AbortController',
  });
}

/** Keeps the options that another function has. @param names of the options of that function */
export function pickOptions<Options extends object, Name extends keyof Options & string>(
  options: Options,
  names: Readonly<Record<Name, unknown>>,
): Pick<Options, Name> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(names, name))) as Pick<
    Options,
    Name
  >;
}

function optionHint(name: string, names: readonly string[]): string {
  if (names.includes('limits') && Object.hasOwn(DEFAULT_LIMITS, name))
    return `it belongs to the option limits: { limits: { ${name}: … } }`;
  const meant = names.find((known) => known.toLowerCase() === name.toLowerCase());
  return meant === undefined ? `its options are ${names.join(', ')}` : `write "${meant}"`;
}

/** @throws OverlayerError `InvalidArgument` */
export function checkChoice(option: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return;
  throw new OverlayerError('InvalidArgument', `Unknown ${option} "${value}"`, {
    option,
    hint: `choose one of ${choices.join(', ')}`,
  });
}

/**
 * @param argument its name
 * @throws OverlayerError `InvalidArgument`
 */
export function checkPath(argument: string, path: unknown): void {
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return;
  if (typeof path !== 'string')
    throw new OverlayerError('InvalidArgument', `Not a path: ${argument} is ${describe(path)}`, {
      option: argument,
    });
  const found = JSON.stringify(path.slice(0, QUOTED_CHARACTERS));
  const more = path.length > QUOTED_CHARACTERS ? `… (${path.length} characters)` : '';
  throw new OverlayerError('InvalidArgument', `Not a path: ${argument} is ${found}${more}`, {
    option: argument,
    hint: path === '' ? undefined : 'a string is a path; give bytes as a Uint8Array',
  });
}

/** @throws OverlayerError `InvalidArgument` */
export function checkList(argument: string, list: unknown): void {
  if (Array.isArray(list)) return;
  throw new OverlayerError('InvalidArgument', `Not a list: ${argument} is ${describe(list)}`, {
    option: argument,
  });
}

/**
 * @param argument its name
 * @throws OverlayerError `InvalidArgument` for a value of another type
 */
export function checkArgument(argument: string, value: unknown, kind: Exclude<OptionKind, 'path'>): void {
  if (isOfKind(value, kind)) return;
  const found = `The argument "${argument}" is ${describeItems(value)}, not ${KIND_WORDS[kind]}`;
  throw new OverlayerError('InvalidArgument', found, { option: argument });
}

/**
 * Finds an argument that is no object of overlayer's by a function that it lacks.
 *
 * @throws OverlayerError `InvalidArgument`
 */
export function checkMethod(argument: string, object: unknown, method: string): void {
  const { [method]: found } = (object ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof found === 'function') return;
  const message = `The argument "${argument}" is ${describe(object)}, and has no function "${method}"`;
  throw new OverlayerError('InvalidArgument', message, { option: argument });
}

/** Names the kind of a value in errors. */
export function describe(value: unknown): string {
  if (value === null || value === undefined || Number.isNaN(value)) return String(value);
  if (typeof value !== 'object') return `a ${typeof value}`;
  if (isDate(value) && Number.isNaN(value.getTime())) return 'an invalid date';
  const { name = '' } = (value.constructor ?? {}) as { readonly name?: string };
  return name === '' || name === 'Object' ? 'a plain object' : `an instance of ${name}`;
}
