/** A fault of the archive, as the readers of its parts throw it: the decoder adds the place, and the entry if it is missing. */
export class FormatError extends Error {
  readonly code: 'InvalidArgument' | 'Unimplemented';
  /** Name of the entry at fault, where the decoder can't know it yet. */
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
