// Finds values in a JSON text that was parsed before, so it only has to find where values end. It does not recurse.

export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A field of an object, or an item of a list. */
export interface Member {
  /** With its quotes. Undefined for an item. */
  readonly name: Range | undefined;
  /** From the name on. */
  readonly whole: Range;
  readonly value: Range;
}

/** A name in quotes of which each character stands for itself, and has no other form that is not ASCII. */
export const PLAIN = /^[ -[\]-~]*$/;

export function slice(text: string, { start, end }: Range): string {
  return text.slice(start, end);
}

/** Go's JSON reader ignores the case of names, by Unicode's simple folding. */
export function fold(name: string): string {
  return name.toUpperCase().toLowerCase();
}

/** The members of an object or a list. */
export function* membersOf(text: string, { start }: Range): Generator<Member> {
  const isObject = text[start] === '{';
  let at = skipSpace(text, start + 1);
  while (text[at] !== '}' && text[at] !== ']') {
    const name = isObject ? valueAt(text, at) : undefined;
    // After the name come white space, a colon, and white space.
    const value = valueAt(text, name === undefined ? at : skipSpace(text, skipSpace(text, name.end) + 1));
    yield {
      name,
      whole: { start: at, end: value.end },
      value,
    };
    at = skipSpace(text, value.end);
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
}

function valueAt(text: string, start: number): Range {
  let at = start;
  let depth = 0;
  do {
    const character = text[at];
    if (character === '"') at = endOfString(text, at);
    else {
      if (character === '{' || character === '[') depth += 1;
      if (character === '}' || character === ']') depth -= 1;
      at += 1;
      // A number, true, false or null. Codes are compared: a regular expression doubled the time of an edit.
      if (depth === 0) while (isWord(text.charCodeAt(at))) at += 1;
    }
  } while (depth > 0);
  return { start, end: at };
}

/** Letters, digits, `+`, `-` and `.`: no character that can follow a value. */
function isWord(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x2d && code <= 0x39) || code === 0x2b || code === 0x45;
}

function endOfString(text: string, start: number): number {
  let at = start;
  do at = text.indexOf('"', at + 1);
  while (isEscaped(text, at));
  return at + 1;
}

function isEscaped(text: string, at: number): boolean {
  let before = at;
  while (text[before - 1] === '\\') before -= 1;
  return (at - before) % 2 === 1;
}

export function skipSpace(text: string, start: number): number {
  let at = start;
  while (isSpace(text[at])) at += 1;
  return at;
}

export function isSpace(character: string | undefined): boolean {
  return character === ' ' || character === '\n' || character === '\t' || character === '\r';
}
