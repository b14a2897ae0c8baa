/**
 * Decodes a Linux file name, which is a byte sequence. Valid UTF-8 is decoded as usual. Each invalid byte becomes a
 * lone surrogate U+DC80–U+DCFF, as in Python (PEP 383), so that `encodePath(decodePath(bytes))` returns the same bytes.
 */
export function decodePath(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  // U+FFFD marks invalid bytes, unless the name itself contains it: encoding the text again decides.
  if (!text.includes('\uFFFD') || Buffer.from(text, 'utf8').equals(bytes)) return text;
  return decodeEscaped(bytes);
}

/**
 * The bytes of a name that the decoder gave as a string: a lone surrogate U+DC80–U+DCFF stands for one byte that is
 * not UTF-8.
 */
export function encodePath(path: string): Buffer {
  if (path.isWellFormed()) return Buffer.from(path, 'utf8');
  const parts: Buffer[] = [];
  let from = 0;
  for (let at = 0; at < path.length; at++) {
    if (!isEscapedByte(path, at)) continue;
    parts.push(Buffer.from(path.slice(from, at), 'utf8'), Buffer.from([path.charCodeAt(at) & 0xff]));
    from = at + 1;
  }
  parts.push(Buffer.from(path.slice(from), 'utf8'));
  return Buffer.concat(parts);
}

/**
 * The name in a form that is safe on a terminal. Control characters, bidirectional controls, line separators and
 * invisible format characters are escaped: `\x1b`, `\u202e`.
 */
export function displayPath(path: string): string {
  if (/^[ -~]*$/.test(path)) return path;
  let shown = '';
  for (const character of path) {
    const code = character.codePointAt(0)!;
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) shown += `\\x${code.toString(16).padStart(2, '0')}`;
    else if (code >= 0xd800 && code <= 0xdfff) shown += `\\x${(code & 0xff).toString(16).padStart(2, '0')}`;
    else if (UNSEEN.test(character)) shown += `\\u${code.toString(16).padStart(4, '0')}`;
    else shown += character;
  }
  return shown;
}

/**
 * Characters that are invisible or change how other text is shown: bidirectional controls, line separators, format
 * characters. Joiners (U+200C, U+200D) are not included, since words of several scripts contain them.
 */
const UNSEEN =
  /[\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\u{e0001}|[\u{e0020}-\u{e007f}]/u;

/** `UNSEEN`, and the control characters that JSON.stringify does not escape: DEL and C1. */
const UNSAFE_IN_JSON = new RegExp(`[\\u007f-\\u009f]|${UNSEEN.source}`, 'gu');

/** JSON.stringify with escapes for all characters that are unsafe on a terminal. */
export function displayJson(value: unknown, indent?: number): string {
  // JSON has these characters in strings only.
  return JSON.stringify(value, undefined, indent).replace(UNSAFE_IN_JSON, (character) =>
    Array.from(
      { length: character.length },
      (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}

function isEscapedByte(path: string, at: number): boolean {
  const code = path.charCodeAt(at);
  if (code < 0xdc80 || code > 0xdcff) return false;
  const before = at > 0 ? path.charCodeAt(at - 1) : 0;
  return before < 0xd800 || before > 0xdbff;
}

function decodeEscaped(bytes: Buffer): string {
  let text = '';
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at);
    if (length === 0) {
      text += String.fromCharCode(0xdc00 | bytes[at]!);
      at += 1;
    } else {
      text += bytes.toString('utf8', at, at + length);
      at += length;
    }
  }
  return text;
}

/** Length of the valid UTF-8 sequence at `at`; 0 when it is invalid. */
function sequenceLength(bytes: Buffer, at: number): number {
  const lead = bytes[at]!;
  const length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  const sequence = bytes.subarray(at, at + length);
  return Buffer.from(sequence.toString('utf8'), 'utf8').equals(sequence) ? length : 0;
}
