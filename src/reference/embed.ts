/** Reference of `shaders/embed/row.wgsl`. `weight` is `[vocabulary, columnCount]`, expanded. */
export function embedReference(
  weight: ArrayLike<number>,
  ids: ArrayLike<number>,
  options: { columnCount: number },
): Float64Array {
  const { columnCount } = options;
  const x = new Float64Array(ids.length * columnCount);
  for (let row = 0; row < ids.length; row++) {
    for (let i = 0; i < columnCount; i++) {
      x[row * columnCount + i] = weight[ids[row] * columnCount + i];
    }
  }
  return x;
}
