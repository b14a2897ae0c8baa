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
