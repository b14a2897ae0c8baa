/** A date with the nanoseconds that the system's clock and its files have. JavaScript's own ends at milliseconds. */
export class ExactDate extends Date {
  /** Of the second: 0 to 999,999,999. */
  readonly nanoseconds: number;

  /** @param seconds since the epoch, whole */
  constructor(seconds: number, nanoseconds: number) {
    super(seconds * 1000 + Math.floor(nanoseconds / 1e6));
    this.nanoseconds = nanoseconds;
  }
}
