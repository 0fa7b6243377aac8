/**
 * DeltaKV as published (arXiv:2602.08005; its authors' `deltakv_base.py` and `compressor.py`), in
 * f64 and plain loops over all tokens of a layer. Heads are in the published order of channels:
 * those of a pair of RoPE are half a head apart.
 */

/** Of a layer. */
export interface ReferenceLayer {
  /** `[tokens][keys of all heads, values of all heads]`, keys before RoPE. */
  tokens: readonly (readonly number[])[];
  sinkCount: number;
  stride: number;
  neighbourCount: number;
}

type Vector = readonly number[];

/** Positions of the centres that each token is told from; none of a centre. */
export function referenceNeighbours(
  { tokens, sinkCount, stride, neighbourCount }: ReferenceLayer,
): number[][] {
  const isCentre = (at: number) => at < sinkCount || (at - sinkCount) % stride === 0;
  return tokens.map((token, position) => {
    if (isCentre(position)) return [];
    const centres = tokens.map((_, at) => at).filter((at) => at < position && isCentre(at));
    const distance = (at: number) =>
      token.reduce((sum, value, i) => sum + (value - tokens[at][i]) ** 2, 0);
    return centres.sort((a, b) => distance(a) - distance(b)).slice(0, neighbourCount);
  });
}

/**
 * What is read of each token, before RoPE: `f_up(stored(f_down(kv) - f_down(mean))) + mean`.
 *
 * @param networks `stored`: what storing a latent makes of it.
 */
export function referenceRead(
  layer: ReferenceLayer,
  { down, up, stored }: {
    down: (vector: Vector) => Vector;
    up: (latent: Vector) => Vector;
    stored: (latent: Vector) => Vector;
  },
): Vector[] {
  const { tokens } = layer;
  return referenceNeighbours(layer).map((neighbours, position) => {
    const token = tokens[position];
    if (neighbours.length === 0) return token;
    const mean = token.map((_, i) =>
      neighbours.reduce((sum, at) => sum + tokens[at][i], 0) / neighbours.length
    );
    const ofMean = down(mean);
    const latent = down(token).map((value, i) => value - ofMean[i]);
    return up(stored(latent)).map((value, i) => value + mean[i]);
  });
}

/** `rotate_half` of a key, base 10,000. */
export function referenceRope(keys: Vector, headSize: number, position: number): number[] {
  const half = headSize / 2;
  return keys.map((value, place) => {
    const i = place % headSize;
    const angle = position * 10000 ** (-2 * (i % half) / headSize);
    const other = i < half ? -keys[place + half] : keys[place - half];
    return value * Math.cos(angle) + other * Math.sin(angle);
  });
}

/** A key with the channels of a pair as neighbours, as the device has it. */
export function toNeighbours(keys: Vector, headSize: number): number[] {
  const result = new Array<number>(keys.length);
  keys.forEach((value, place) => {
    const [head, i] = [Math.floor(place / headSize), place % headSize];
    result[head * headSize + 2 * (i % (headSize / 2)) + Math.floor(i / (headSize / 2))] = value;
  });
  return result;
}

/** `w3(silu(a) * b)` of the halves of `w12(x)`; matrices as rows. */
export function referenceSwiGlu(w12: readonly Vector[], w3: readonly Vector[]) {
  return (x: Vector): number[] => {
    const both = referenceLinear(w12)(x);
    const half = both.length / 2;
    const gated = both.slice(0, half).map((a, i) => a / (1 + Math.exp(-a)) * both[half + i]);
    return referenceLinear(w3)(gated);
  };
}

/** Rows times a vector. */
export function referenceLinear(rows: readonly Vector[]) {
  return (x: Vector): number[] =>
    rows.map((row) => row.reduce((sum, value, i) => sum + value * x[i], 0));
}
