const halfBits = new DataView(new ArrayBuffer(2));

/**
 * A word with the f16 scale at byte `at`, and above it the f16 minimum that a code of 0 stands for
 * if codes lie around `center`.
 *
 * @throws {RangeError} If the minimum exceeds f16; else it is exact.
 */
export function scaleAround(view: DataView, at: number, center: 8 | 16): number {
  const minimum = -center * view.getFloat16(at, true);
  halfBits.setFloat16(0, minimum, true);
  if (halfBits.getFloat16(0, true) !== minimum) {
    throw new RangeError(
      `Cannot keep a block of codes around ${center}: its minimum ${minimum} exceeds f16`,
    );
  }
  return view.getUint16(at, true) | (halfBits.getUint16(0, true) << 16);
}
