/** Seeded K and V whose tokens differ little from others of their block, before RoPE. */

import { rawTileFrom } from "../../src/codec/raw_tile.ts";
import type { HeadShape } from "../../src/codec/raw_tile.ts";
import { turnOf } from "../../src/codec/cold/turn.ts";
import { seededNormals } from "./numeric.ts";

/** What pairs of a head turn by from a token to the next, as a model of base 10,000 has it. */
export function sampleTurns(headSize: number): Uint32Array {
  return Uint32Array.from(
    { length: headSize / 2 },
    (_, pair) => turnOf(10_000 ** (-2 * pair / headSize)),
  );
}

/**
 * A raw tile of tokens that are one of two vectors each, up to noise; keys are turned.
 *
 * @param options `noise`: of a value, whose own spread is 1. `turns`: as {@link sampleTurns}.
 */
export function describedTile(
  shape: HeadShape,
  { seed, noise = 0.1, turns }: { seed: number; noise?: number; turns: Uint32Array | null },
): Uint32Array {
  const channelCount = shape.kvHeadCount * shape.headSize;
  const [keys, values] = [0, 1].map((side) => {
    const kinds = seededNormals(2 * channelCount, 2 * seed + side);
    const rest = seededNormals(64 * channelCount, 2 * seed + side + 1000);
    return rest.map((value, i) => {
      const token = Math.floor(i / channelCount);
      return 3 * kinds[kindOf(token) * channelCount + i % channelCount] + noise * value;
    });
  });
  if (turns !== null) turnKeys(keys, turns, channelCount);
  return rawTileFrom(shape, keys, values);
}

/** Which of the two vectors a token is near to: of a stride of 10 each has two centres at least. */
export function kindOf(token: number): number {
  return Math.floor(token / 3) % 2;
}

function turnKeys(keys: Float32Array, turns: Uint32Array, channelCount: number): void {
  for (let at = 0; at < keys.length; at += 2) {
    const token = Math.floor(at / channelCount);
    const pair = (at % channelCount) / 2 % turns.length;
    const angle = 2 * Math.PI * token * turns[pair] / 2 ** 32;
    const [x, y] = [keys[at], keys[at + 1]];
    keys[at] = x * Math.cos(angle) - y * Math.sin(angle);
    keys[at + 1] = x * Math.sin(angle) + y * Math.cos(angle);
  }
}
