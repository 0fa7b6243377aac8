/**
 * Eigenvectors of symmetric matrices by Jacobi's rotations (Golub and Van Loan, Matrix
 * Computations, 8.5): plain, and exact enough for any size of a head.
 *
 * @module
 */

/** Sweeps after which rotations have long been zero. */
const SWEEPS_MAX = 30;
/** Squares beside the diagonal, of all squares, that count as none. */
const OFF_MAX = 1e-24;

/** Eigenvectors of a matrix, largest eigenvalue first. */
export interface Eigenvectors {
  /** Descending, `[size]`. */
  values: Float64Array;
  /** f64 `[size][size]`: column `i` is the vector of value `i`, of length 1. */
  columns: Float64Array;
}

/**
 * All eigenvectors of a symmetric matrix.
 *
 * @param matrix f64 `[size][size]`; not changed.
 */
export function eigenvectors(matrix: Float64Array, size: number): Eigenvectors {
  const a = matrix.slice();
  const v = new Float64Array(size * size);
  for (let i = 0; i < size; i++) v[i * size + i] = 1;
  const all = a.reduce((sum, each) => sum + each * each, 0);
  for (let sweep = 0; sweep < SWEEPS_MAX && offDiagonal(a, size) > OFF_MAX * all; sweep++) {
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) rotatePair(a, v, { p, q, size });
    }
  }
  const order = Array.from({ length: size }, (_, i) => i)
    .sort((i, j) => a[j * size + j] - a[i * size + i]);
  return {
    values: Float64Array.from(order, (i) => a[i * size + i]),
    columns: Float64Array.from(v, (_, at) => v[at - at % size + order[at % size]]),
  };
}

function offDiagonal(a: Float64Array, size: number): number {
  return a.reduce((sum, each, at) => at % (size + 1) === 0 ? sum : sum + each * each, 0);
}

/** Turns rows and columns `p` and `q` so that their common element is 0. */
function rotatePair(
  a: Float64Array,
  v: Float64Array,
  { p, q, size }: { p: number; q: number; size: number },
): void {
  const common = a[p * size + q];
  if (common === 0) return;
  const theta = (a[q * size + q] - a[p * size + p]) / (2 * common);
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1);
  const s = t * c;
  const turn = (of: Float64Array, i: number, j: number) => {
    const [x, y] = [of[i], of[j]];
    of[i] = c * x - s * y;
    of[j] = s * x + c * y;
  };
  for (let i = 0; i < size; i++) turn(a, p * size + i, q * size + i);
  for (let i = 0; i < size; i++) {
    turn(a, i * size + p, i * size + q);
    turn(v, i * size + p, i * size + q);
  }
}
