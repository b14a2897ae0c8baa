const POLYNOMIAL = 0xedb88320;
/** x^0 and x^8, the highest bit first: the order in which the checksum keeps its bits. */
const ONE = 0x80000000;
const ONE_BYTE = 0x00800000;

/**
 * The CRC-32 after `count` more zero bytes, in time logarithmic in `count`: an archive may declare holes of any length. Each
 * zero byte multiplies the remainder by x^8.
 */
export function crc32OfZeros(crc: number, count: number): number {
  let factor = ONE;
  let power = ONE_BYTE;
  for (let left = count; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) factor = multiply(factor, power);
    power = multiply(power, power);
  }
  return ~multiply(factor, ~crc >>> 0) >>> 0;
}

/** Multiplies polynomials over GF(2), modulo the checksum's polynomial. */
function multiply(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if (a & bit) product ^= shifted;
    shifted = shifted & 1 ? (shifted >>> 1) ^ POLYNOMIAL : shifted >>> 1;
  }
  return product >>> 0;
}
