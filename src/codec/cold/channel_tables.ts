/**
 * How often digits come by scale, of which the kernels make their tables of pairs. FORMAT.md
 * section 9.7.
 *
 * @module
 */

import { halvesAt, take, withMemory, wordsAt } from "./kernel_memory.ts";
import { fillTables, setTables } from "./kernels.wasm";

/** Scales of errors, a quarter of an octave apart. */
const SCALE_COUNT = 13;
/** Digits of which pairs have slots: 7 is what is foretold. */
const DIGIT_COUNT = 15;
const MIDDLE = 7;
/** Numbers of a table of weights. */
const TABLE_STRIDE = 16;
/** Tables of a scale: by the halves of what is foretold of both digits of a pair. */
const VARIANT_COUNT = 4;
const SLOT_TABLE_BYTES = 16384;
const MODEL_TABLE_BYTES = 4096;

/**
 * By scale: parts of 65535 of the codes 0, 1, ... from what is foretold, where that is a whole
 * number; then of those 0.5, 1.5, ... from it, where it is not. A normal distribution with standard
 * deviation `2^(scale / 4 - 2)`.
 */
const WEIGHTS: readonly (readonly [readonly number[], readonly number[]])[] = [
  [[62553, 1491], [32765, 2]],
  [[59466, 3035], [32742, 25]],
  [[55226, 5154, 1], [32614, 153]],
  [[50176, 7668, 12], [32198, 570]],
  [[44740, 10309, 88], [31277, 1489, 2]],
  [[39294, 12739, 381, 1], [29733, 3009, 25]],
  [[34111, 14601, 1097, 13], [27613, 5001, 153, 1]],
  [[29353, 15652, 2343, 96, 1], [25088, 7110, 558, 12]],
  [[25095, 15842, 3971, 392, 15], [22370, 8907, 1402, 86, 2]],
  [[21354, 15302, 5625, 1058, 101, 5], [19647, 10086, 2653, 356, 24, 1]],
  [[18109, 14248, 6938, 2090, 389, 45, 3], [17055, 10558, 4044, 957, 140, 13, 1]],
  [[15320, 12904, 7710, 3268, 982, 209, 32, 3], [14676, 10412, 5240, 1870, 473, 85, 11, 1]],
  [[12937, 11447, 7928, 4298, 1824, 606, 157, 32], [12547, 9823, 6019, 2887, 1084, 318, 73, 13]],
];

/** Most squared errors of a row in quarters: beyond, the next scale takes fewer bits. */
const ERROR_LIMITS = [40, 48, 59, 75, 97, 129, 174, 237, 326, 452, 630, 882, 1239];
/** About what a row takes by scale, in bits: of codes by themselves, and of packs with shifts. */
const PLAIN_BITS = [26, 34, 44, 55, 66, 78, 91, 105, 120, 135, 151, 167, 183];
const LATTICE_BITS = [25, 30, 38, 48, 60, 74, 88, 102, 118, 134, 150, 166, 183];
const COSTS_ADDRESS = 2304;
const LIMITS_ADDRESS = 2368;

const slots = take(SCALE_COUNT * VARIANT_COUNT * SLOT_TABLE_BYTES);
const models = take(SCALE_COUNT * VARIANT_COUNT * MODEL_TABLE_BYTES);
let areFilled = false;

/** Fills the tables of the kernels, once. */
export function readyTables(): void {
  if (areFilled) return;
  areFilled = true;
  setTables(slots, models);
  halvesAt(COSTS_ADDRESS, 2 * SCALE_COUNT).set([...PLAIN_BITS, ...LATTICE_BITS]);
  wordsAt(LIMITS_ADDRESS, SCALE_COUNT).set(ERROR_LIMITS);
  withMemory(() => {
    const address = take(4 * SCALE_COUNT * 2 * TABLE_STRIDE);
    const weights = wordsAt(address, SCALE_COUNT * 2 * TABLE_STRIDE).fill(0);
    for (const [scale, [whole, half]] of WEIGHTS.entries()) {
      for (let digit = 0; digit < DIGIT_COUNT; digit++) {
        const code = digit - MIDDLE;
        const first = scale * 2 * TABLE_STRIDE + digit;
        weights[first] = whole[Math.abs(code)] ?? 0;
        weights[first + TABLE_STRIDE] = half[code > 0 ? code - 1 : -code] ?? 0;
      }
    }
    fillTables(address);
  });
}
