/**
 * Units: the eight digits of a pack, each 0 to `levels - 1`, in the least whole number of bits.
 * FORMAT.md section 7.4.
 *
 * Digits of `L` levels are written as one number to base `L`, stretched to a binary fraction, so
 * that they are read one after the other by multiplications: no division, no table.
 *
 * @module
 */

/** Tokens of a pack. */
export const UNIT_TOKEN_COUNT = 8;

/** How many levels a band can have. */
export const LEVELS: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 32, 64, 128, 256];

/** Most levels whose digits form one number; above it digits are split in low and high halves. */
export const LOW_LEVELS_MAX = 16;

/** Bits of a number of eight digits of `levels` levels: `ceil(8 * log2(levels))`. */
function digitBits(levels: number): number {
  let count = 1n;
  for (let digit = 0; digit < UNIT_TOKEN_COUNT; digit++) count *= BigInt(levels);
  let bits = 0;
  while (1n << BigInt(bits) < count) bits++;
  return bits;
}

/** Bits of a unit, by the index of its levels in {@link LEVELS}. */
export const UNIT_BITS: readonly number[] = LEVELS.map((levels) =>
  levels <= LOW_LEVELS_MAX
    ? digitBits(levels)
    : digitBits(LOW_LEVELS_MAX) + digitBits(levels / LOW_LEVELS_MAX)
);

/**
 * `ceil((2^bits / levels^8 - 1) * 2^32)` by levels 0 to 16; 0 for powers of two, which need no
 * stretching, and for levels that no band has.
 */
export const STRETCH: readonly number[] = Array.from(
  { length: LOW_LEVELS_MAX + 1 },
  (_, levels) => {
    if (!LEVELS.includes(levels) || (levels & (levels - 1)) === 0) return 0;
    const count = BigInt(levels) ** BigInt(UNIT_TOKEN_COUNT);
    const excess = ((1n << BigInt(digitBits(levels))) - count) << 32n;
    return Number((excess + count - 1n) / count);
  },
);

/** The same by the levels themselves, 0 to 256. */
const BITS_OF_LEVELS = Array.from({ length: 257 }, (_, levels) => {
  return UNIT_BITS[LEVELS.indexOf(levels)] as number | undefined;
});

/** Bits of a unit of `levels` levels. */
export function unitBits(levels: number): number {
  const bits = BITS_OF_LEVELS[levels];
  if (bits === undefined) {
    throw new RangeError(`Cannot pack ${levels} levels: must be ${LEVELS.join(", ")}`);
  }
  return bits;
}

/** One number of a unit: a whole one, or the low or high half of its digits. */
export interface UnitNumber {
  /** u32, below `2 ** widthBits`. */
  value: number;
  /** 0 to 32. */
  widthBits: number;
}

/**
 * The numbers of a unit, in the order they are written.
 *
 * @param digits Eight integers, 0 to `levels - 1`, by token.
 * @returns One number, or for more than 16 levels that of the low four bits, then of the others.
 */
export function packUnit(digits: ArrayLike<number>, levels: number): UnitNumber[] {
  unitBits(levels);
  for (let place = 0; place < UNIT_TOKEN_COUNT; place++) {
    if (!(digits[place] >= 0 && digits[place] < levels)) {
      throw new RangeError(`Cannot pack digit ${digits[place]} in ${levels} levels`);
    }
  }
  if (levels <= LOW_LEVELS_MAX) return [packDigits(digits, levels)];
  const each = Array.from(digits);
  return [
    packDigits(each.map((digit) => digit % LOW_LEVELS_MAX), LOW_LEVELS_MAX),
    packDigits(each.map((digit) => Math.floor(digit / LOW_LEVELS_MAX)), levels / LOW_LEVELS_MAX),
  ];
}

function packDigits(digits: ArrayLike<number>, levels: number): UnitNumber {
  let number = 0;
  for (let place = 0; place < UNIT_TOKEN_COUNT; place++) number = number * levels + digits[place];
  return { value: stretched(number, levels), widthBits: unitBits(levels) };
}

/** A number to base `levels` as it is stored, u32. */
function stretched(number: number, levels: number): number {
  const stretch = STRETCH[levels];
  return (stretch === 0 ? number : number + multiplyHigh(number, stretch) + 1) >>> 0;
}

/** `floor(a * b / 2^32)` for `a` below 2^28 and `b` below 2^32, exactly. */
function multiplyHigh(a: number, b: number): number {
  const upper = a * Math.floor(b / 65536);
  const lower = Math.floor((a * (b % 65536)) / 65536);
  return Math.floor((upper + lower) / 65536);
}

/**
 * The digits of one number, written over `digits`.
 *
 * @param value u32 as it stands in the payload, bits above `widthBits` ignored.
 * @param levels 1 to 16.
 */
export function unpackDigits(
  { value, widthBits }: UnitNumber,
  levels: number,
  digits: number[] = [],
): number[] {
  let fraction = firstFraction(value, widthBits);
  for (let place = 0; place < UNIT_TOKEN_COUNT; place++) {
    digits[place] = Math.imul(fraction >>> 4, levels) >>> 28;
    fraction = Math.imul(fraction, levels) >>> 0;
  }
  return digits;
}

function firstFraction(value: number, widthBits: number): number {
  return widthBits === 0 ? 0 : (value << (32 - widthBits)) >>> 0;
}

/** Whether {@link packUnit} gives this number for the digits in it. */
export function isCanonical({ value, widthBits }: UnitNumber, levels: number): boolean {
  // Digits of a power of two are bits: they give every number.
  if ((levels & (levels - 1)) === 0) return value < 2 ** widthBits;
  let number = 0;
  let fraction = firstFraction(value, widthBits);
  for (let place = 0; place < UNIT_TOKEN_COUNT; place++) {
    number = number * levels + (Math.imul(fraction >>> 4, levels) >>> 28);
    fraction = Math.imul(fraction, levels) >>> 0;
  }
  return stretched(number, levels) === value;
}
