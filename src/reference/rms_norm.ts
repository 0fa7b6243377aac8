/** CPU twin of `shaders/rms_norm.wgsl`: f64 throughout. `x` is `[rows, columns]`, row-major. */
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
