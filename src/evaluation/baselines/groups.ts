/**
 * Groups of values that share a scale: where they lie, and the integers with a 16-bit scale and
 * minimum that several baselines use.
 *
 * @module
 */

import { f16FromNumber, f16ToNumber } from "../../codec/f16.ts";
import type { BaselineSide } from "./baseline.ts";

/** Values `start`, `start + stride`, …; `count` of them. */
export interface Group {
  start: number;
  stride: number;
  count: number;
}

/** Bits of a scale and a minimum of 16 bits each. */
export const SCALE_AND_MINIMUM_BITS = 32;

/** Rounds to f16. */
export function roundF16(value: number): number {
  return f16ToNumber(f16FromNumber(value));
}

/** Each token's channels in runs of `size`, which divides the head size. */
export function groupsOfChannels(
  { values, shape, firstToken }: BaselineSide,
  size: number,
): Group[] {
  const start = firstToken * shape.kvHeadCount * shape.headSize;
  return Array.from({ length: (values.length - start) / size }, (_, index) => {
    return { start: start + index * size, stride: 1, count: size };
  });
}

/** Each channel's tokens in runs of `size`; tokens that stay raw are in no group. */
export function groupsOfTokens({ values, shape, firstToken }: BaselineSide, size: number): Group[] {
  const channelCount = shape.kvHeadCount * shape.headSize;
  const tokenCount = values.length / channelCount;
  const groups: Group[] = [];
  for (let first = 0; first < tokenCount; first += size) {
    const from = Math.max(first, firstToken);
    const count = first + size - from;
    for (let channel = 0; channel < channelCount; channel++) {
      groups.push({ start: from * channelCount + channel, stride: channelCount, count });
    }
  }
  return groups;
}

/**
 * Replaces a group by integers `0 … 2^bits - 1` times a scale plus a minimum: the scale
 * `(max - min) / (2^bits - 1)`, both rounded to f16 before the integers are chosen.
 */
export function readBackAsymmetric(values: Float32Array, group: Group, bits: number): void {
  const { start, stride, count } = group;
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < count; i++) {
    low = Math.min(low, values[start + i * stride]);
    high = Math.max(high, values[start + i * stride]);
  }
  const codeMax = 2 ** bits - 1;
  const minimum = roundF16(low);
  const scale = roundF16((high - low) / codeMax);
  for (let i = 0; i < count; i++) {
    const place = start + i * stride;
    const code = scale === 0 ? 0 : Math.round((values[place] - minimum) / scale);
    values[place] = Math.min(Math.max(code, 0), codeMax) * scale + minimum;
  }
}

/** What codes, or values, are read by. */
export interface Line {
  minimum: number;
  scale: number;
}

/**
 * The line through a group's values over other ones with the least squared error, f16 both.
 *
 * @param others One for each value of the group.
 */
export function fittedLine(
  values: Float32Array,
  { start, stride, count }: Group,
  others: ArrayLike<number>,
): Line {
  let [meanOther, meanValue] = [0, 0];
  for (let i = 0; i < count; i++) {
    meanOther += others[i] / count;
    meanValue += values[start + i * stride] / count;
  }
  let [spread, common] = [0, 0];
  for (let i = 0; i < count; i++) {
    const off = others[i] - meanOther;
    spread += off * off;
    common += off * (values[start + i * stride] - meanValue);
  }
  const scale = common / (spread || 1);
  return { minimum: roundF16(meanValue - scale * meanOther), scale: roundF16(scale) };
}
