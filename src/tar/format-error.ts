/** A malformed archive. The decoder adds the offset, and the entry's name if it is missing. */
export class FormatError extends Error {
  readonly code: 'InvalidArgument' | 'Unimplemented';
  /** Name of the entry, when the decoder does not know it yet. */
  readonly entry: string | undefined;

  constructor(
    message: string,
    {
      code = 'InvalidArgument',
      entry,
    }: { readonly code?: 'InvalidArgument' | 'Unimplemented'; readonly entry?: string } = {},
  ) {
    super(message);
    this.code = code;
    this.entry = entry;
  }
}

const QUOTED_BYTES = 32;

/** A hint about a file that is no archive, such as a page of HTML. @param bytes its first bytes */
export function describeBeginning(bytes: Uint8Array): string {
  const first = Buffer.from(bytes.subarray(0, QUOTED_BYTES));
  const isText = first.every((byte) => (byte >= 0x20 && byte < 0x7f) || (byte >= 0x09 && byte <= 0x0d));
  const more = bytes.length > QUOTED_BYTES ? '…' : '';
  const what = isText
    ? `the text ${JSON.stringify(`${first.toString('latin1')}${more}`)}`
    : `the bytes ${first.toString('hex')}${more}`;
  return `it begins with ${what}; a layer is a tar archive, compressed or not`;
}
