/**
 * Reference of `shaders/activation_quantise/groups.wgsl`: the same codes, by f32 operations that
 * are correctly rounded everywhere.
 *
 * @module
 */

const GROUP_SIZE = 32;
const CODE_MAX = 127;
const STEP_MIN = 2 ** -100;

/** Activations as codes of 8 bits. */
export interface ActivationCodes {
  /** `[rows, columns]`. */
  codes: Int8Array;
  /** f32 `[rows, columns / 32]`. */
  scales: Float32Array;
}

/**
 * Codes of `x`, or of `x` under an RMSNorm, whose factor is in the scales.
 *
 * @param x `[rows, columnCount]`.
 * @param options `norm`: `weight` is `[columnCount]`.
 */
export function quantiseActivationsReference(
  x: Float32Array,
  options: { columnCount: number; norm?: { weight: Float32Array; epsilon: number } },
): ActivationCodes {
  const { columnCount, norm } = options;
  const codes = new Int8Array(x.length);
  const scales = new Float32Array(x.length / GROUP_SIZE);
  for (let start = 0; start < x.length; start += columnCount) {
    let factor = 1;
    if (norm) {
      let square = 0;
      for (let i = 0; i < columnCount; i++) square += x[start + i] ** 2;
      factor = 1 / Math.sqrt(square / columnCount + norm.epsilon);
    }
    for (let first = start; first < start + columnCount; first += GROUP_SIZE) {
      const values = Float32Array.from(
        x.subarray(first, first + GROUP_SIZE),
        (value, i) => norm ? value * norm.weight[first - start + i] : value,
      );
      const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const wanted = Math.fround(largest * Math.fround(1 / CODE_MAX));
      const { step, reciprocal } = roundedStep(Math.max(wanted, STEP_MIN));
      values.forEach((value, i) => {
        const code = roundToEven(Math.fround(value * reciprocal));
        codes[first + i] = Math.min(CODE_MAX, Math.max(-CODE_MAX, code));
      });
      scales[first / GROUP_SIZE] = step * factor;
    }
  }
  return { codes, scales };
}

/** What codes stand for, `[rows, columns]`. */
export function codeValues({ codes, scales }: ActivationCodes): Float64Array {
  return Float64Array.from(codes, (code, i) => code * scales[Math.floor(i / GROUP_SIZE)]);
}

/** A step with 11 significant bits, and its reciprocal cut off behind 25, then as f32. */
function roundedStep(wanted: number): { step: number; reciprocal: number } {
  const power = 2 ** Math.floor(Math.log2(wanted));
  const step = roundToEven(wanted / power * 2 ** 10) * power / 2 ** 10;
  const stepPower = 2 ** Math.floor(Math.log2(step));
  const digits = Math.floor(2 ** 34 / (step / stepPower * 2 ** 10));
  return { step, reciprocal: Math.fround(digits) * 2 ** -24 / stepPower };
}

function roundToEven(value: number): number {
  const down = Math.floor(value);
  const rest = value - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down;
}
