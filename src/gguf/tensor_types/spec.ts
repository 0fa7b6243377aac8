/** A type of tensor elements: how its blocks lie in a file, and what their bits mean. */
export interface TensorTypeSpec {
  /** The number that a GGUF file stores for it. */
  readonly ggmlId: number;
  /** Elements of a block. */
  readonly elementCount: number;
  /** Bytes of a block. */
  readonly sizeBytes: number;
  /** Expands the whole blocks of `view`, at any alignment, to as many values. */
  readonly expand: (view: DataView, values: Float32Array) => void;
  /**
   * Shrinks whole blocks of finite values with the rounding of ggml's plain-C code, in f32; null if
   * nothing here makes such tensors.
   */
  readonly shrink: ((values: Float32Array, view: DataView) => void) | null;
}

/** Elements of a block of most types. */
export const BLOCK = 32;

/** Elements whose codes lie in the low nibbles of a block's bytes; the others in the high ones. */
export const HALF_BLOCK = BLOCK / 2;

/** Elements of a block of the K types. */
export const SUPER_BLOCK = 256;

/**
 * Walks blocks.
 *
 * @param each Gets where a block begins in the bytes, and its first element.
 */
export function eachBlock(
  values: Float32Array,
  { elementCount, sizeBytes }: { elementCount: number; sizeBytes: number },
  each: (at: number, first: number) => void,
): void {
  let at = 0;
  for (let first = 0; first < values.length; first += elementCount, at += sizeBytes) {
    each(at, first);
  }
}

/** 4 bits of element `i` of 32: the first half lies in the low nibbles of the bytes at `at`. */
export function nibble(view: DataView, at: number, i: number): number {
  const byte = view.getUint8(at + i % HALF_BLOCK);
  return i < HALF_BLOCK ? byte & 15 : byte >> 4;
}

/** Writes 32 codes: `code` cut to an integer and at most 15, first half in the low nibbles. */
export function writeNibbles(view: DataView, at: number, code: (index: number) => number): void {
  for (let i = 0; i < HALF_BLOCK; i++) {
    const low = Math.min(15, Math.trunc(code(i)));
    const high = Math.min(15, Math.trunc(code(HALF_BLOCK + i)));
    view.setUint8(at + i, low | (high << 4));
  }
}
