/** IEEE 754 binary16: 5 bits of exponent with bias 15, 10 of fraction. */
const EXPONENT_BIAS = 15;
const FRACTION_UNITS = 1024;
const SPECIAL_EXPONENT = 31;

/** The value of a float16's bits; every one is exact in float32. Source: IEEE 754-2019, section 3.4 */
function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === SPECIAL_EXPONENT) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return (sign * fraction * 2 ** (1 - EXPONENT_BIAS)) / FRACTION_UNITS;
  return sign * (1 + fraction / FRACTION_UNITS) * 2 ** (exponent - EXPONENT_BIAS);
}

/** bfloat16 is the upper half of a float32. @returns a new array of equal values */
export function widenBfloat16(bits: Uint16Array): Float32Array {
  const words = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16;
  return new Float32Array(words.buffer);
}

/** @returns a new array of equal values */
export function widenFloat16(bits: Uint16Array): Float32Array {
  return Float32Array.from(bits, float16Value);
}
