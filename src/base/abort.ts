/** The base of every option interface whose operation can be cancelled. */
export interface AbortableOptions {
  /** Ends the operation early; the promise rejects with `signal.reason`, as it is. */
  readonly signal?: AbortSignal | undefined;
}
