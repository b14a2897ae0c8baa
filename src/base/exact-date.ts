/** A date with the nanoseconds of file times and the system's clock. A JavaScript date has milliseconds. */
export class ExactDate extends Date {
  /** Nanoseconds within the second: 0 to 999,999,999. */
  readonly nanoseconds: number;

  /** @param seconds since the epoch, whole */
  constructor(seconds: number, nanoseconds: number) {
    super(seconds * 1000 + Math.floor(nanoseconds / 1e6));
    this.nanoseconds = nanoseconds;
  }
}
