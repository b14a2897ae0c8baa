/** One thing that a daemon has to say. */
export interface LogEntry {
  readonly time: Date;
  /** `warn`: a request was refused; `error`: something is broken. */
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, string | number>>;
}
