/**
 * Reference of `shaders/matmul/rows.wgsl` and of what it may do with its outputs: f64 throughout.
 *
 * @module
 */

/**
 * `y[row, o] = sum over i of weight[o, i] * x[row, i]`.
 *
 * @param weight `[outputs, columnCount]`, expanded.
 * @param x `[rows, columnCount]`.
 */
export function matmulReference(
  weight: ArrayLike<number>,
  x: ArrayLike<number>,
  options: { columnCount: number },
): Float64Array {
  const { columnCount } = options;
  const outputCount = weight.length / columnCount;
  const rowCount = x.length / columnCount;
  const y = new Float64Array(rowCount * outputCount);
  for (let row = 0; row < rowCount; row++) {
    for (let output = 0; output < outputCount; output++) {
      let sum = 0;
      for (let i = 0; i < columnCount; i++) {
        sum += weight[output * columnCount + i] * x[row * columnCount + i];
      }
      y[row * outputCount + output] = sum;
    }
  }
  return y;
}

/** {@link matmulReference} of the RMSNorm of `x`. */
export function matmulNormReference(
  weight: ArrayLike<number>,
  x: Float32Array,
  norm: { weight: Float32Array; epsilon: number },
): Float64Array {
  const normed = rmsNormReference(x, norm.weight, { epsilon: norm.epsilon });
  return matmulReference(weight, normed, { columnCount: norm.weight.length });
}

/** `silu(outputs[2i]) * outputs[2i + 1]` for every pair. */
export function siluPairsReference(outputs: ArrayLike<number>): Float64Array {
  const y = new Float64Array(outputs.length / 2);
  for (let i = 0; i < y.length; i++) {
    const gate = outputs[2 * i];
    y[i] = gate / (1 + Math.exp(-gate)) * outputs[2 * i + 1];
  }
  return y;
}

/** Pairs of gate and up as `shaders/matmul/parts/activation_clamped.wgsl` joins them. */
export function clampedPairsReference(outputs: ArrayLike<number>): Float64Array {
  const y = new Float64Array(outputs.length / 2);
  for (let i = 0; i < y.length; i++) {
    const gate = Math.min(outputs[2 * i], 7);
    const up = Math.min(Math.max(outputs[2 * i + 1], -7), 7);
    y[i] = gate / (1 + Math.exp(-1.702 * gate)) * (up + 1);
  }
  return y;
}

/**
 * `gelu(outputs[2i]) * outputs[2i + 1]` for every pair, GELU by its approximation with tanh.
 * Hendrycks & Gimpel 2016, arXiv:1606.08415.
 */
export function geluPairsReference(outputs: ArrayLike<number>): Float64Array {
  return Float64Array.from({ length: outputs.length / 2 }, (_, i) => {
    const gate = outputs[2 * i];
    const inner = Math.sqrt(2 / Math.PI) * (gate + 0.044715 * gate ** 3);
    return gate / 2 * (1 + Math.tanh(inner)) * outputs[2 * i + 1];
  });
}

/** `cap * tanh(output / cap)` of every output. */
export function cappedReference(outputs: ArrayLike<number>, cap: number): Float64Array {
  return Float64Array.from(outputs, (output) => cap * Math.tanh(output / cap));
}

/**
 * RoPE of one head: channels 2i, 2i+1 turn by `position * base^(-2i / headSize)`.
 * Su et al. 2021, arXiv:2104.09864, eq. 34.
 */
export function ropeReference(
  head: ArrayLike<number>,
  position: number,
  options: { base: number },
): Float64Array {
  const turned = new Float64Array(head.length);
  for (let channel = 0; channel < head.length; channel += 2) {
    const angle = position * options.base ** (-channel / head.length);
    const [a, b] = [head[channel], head[channel + 1]];
    turned[channel] = a * Math.cos(angle) - b * Math.sin(angle);
    turned[channel + 1] = a * Math.sin(angle) + b * Math.cos(angle);
  }
  return turned;
}

/** `x * weight / rms(x)` per row, arXiv:1910.07467, eq. 4; `x` is `[rows, columns]`, row-major. */
export function rmsNormReference(
  x: Float32Array,
  weight: Float32Array,
  options: { epsilon: number },
): Float64Array {
  const columnCount = weight.length;
  const y = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += columnCount) {
    let sum = 0;
    for (let i = 0; i < columnCount; i++) sum += x[start + i] ** 2;
    const factor = 1 / Math.sqrt(sum / columnCount + options.epsilon);
    for (let i = 0; i < columnCount; i++) y[start + i] = x[start + i] * factor * weight[i];
  }
  return y;
}
