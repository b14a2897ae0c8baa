/** A date with nanoseconds, as file times and the system's clock have them. A JavaScript date has milliseconds. */
export class ExactDate extends Date {
  /** Of the second: 0 to 999,999,999. */
  readonly nanoseconds: number;

  /** @param seconds since the epoch, whole */
  constructor(seconds: number, nanoseconds: number) {
    super(seconds * 1000 + Math.floor(nanoseconds / 1e6));
    this.nanoseconds = nanoseconds;
  }
}
