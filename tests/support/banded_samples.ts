/** Seeded tables of banded records: fitting ones, and ones that send packs to every band. */

import { BAND_COUNT, bandWord, CODE_BIAS, FULL_BAND } from "../../src/codec/banded/band.ts";
import { LEVELS } from "../../src/codec/banded/levels.ts";
import { type BandedTables, bandedTables } from "../../src/codec/banded/tables.ts";
import type { HeadShape } from "../../src/codec/raw_tile.ts";
import { seededRandom } from "./numeric.ts";

/** What a seeded table is like. */
export interface BandedTableOptions {
  /** Typical step of K and V. */
  step?: number;
  /** Magnitude of V that has token step 64. */
  normReference?: number;
  /**
   * Levels of the seven bands before the full one, centred near code 0; default is drawn from all
   * of `LEVELS`, ascending.
   */
  levels?: readonly number[];
}

/** Tables of one layer. Channels differ in step and in where their bands lie. */
export function seededTables(
  shape: HeadShape,
  seed: number,
  options: BandedTableOptions = {},
): BandedTables {
  const { step = 0.5, normReference = 0.8, levels } = options;
  const [random, drawn] = [seededRandom(seed), seededRandom(seed + 1000)];
  const channelCount = shape.kvHeadCount * shape.headSize;
  const bands = new Uint32Array(2 * channelCount * BAND_COUNT);
  for (let row = 0; row < 2 * channelCount; row++) {
    const counts = levels ?? drawLevels(random);
    for (const [index, count] of counts.entries()) {
      const shift = Math.floor((random() - 0.5) * Math.min(count, 4));
      const least = CODE_BIAS - Math.floor(count / 2) + shift;
      const band = { least: Math.min(Math.max(least, 0), 256 - count), levels: count };
      bands[row * BAND_COUNT + index] = bandWord(band);
    }
    // Every third channel has balls beside ranges of codes.
    if (levels === undefined && row % 3 === 1) {
      const middle = CODE_BIAS + Math.floor((drawn() - 0.5) * 4);
      const ballBits = Math.floor(drawn() * 12);
      bands[row * BAND_COUNT + 1] = bandWord({ middle, ballBits });
      bands[row * BAND_COUNT + 4] = bandWord({ middle, ballBits: 12 });
    }
    bands[row * BAND_COUNT + BAND_COUNT - 1] = bandWord(FULL_BAND);
  }
  const keyStep = Float32Array.from({ length: channelCount }, () => step * (0.5 + random()));
  const valueStep = Float32Array.from({ length: channelCount }, () => step * (0.5 + random()));
  return bandedTables({ keyStep, valueStep, normReference, bands });
}

function drawLevels(random: () => number): number[] {
  const pool = LEVELS.slice();
  const drawn: number[] = [];
  while (drawn.length < BAND_COUNT - 1) {
    drawn.push(...pool.splice(Math.floor(random() * pool.length), 1));
  }
  return drawn.sort((a, b) => a - b);
}
