/**
 * Reading a banded record. FORMAT.md sections 7.3 to 7.5.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import { f16ToNumber } from "../f16.ts";
import { KEY, type Side, VALUE } from "../record.ts";
import type { QuantisedBlock } from "../quantised.ts";
import { sectionHead } from "./dropped.ts";
import type { BandedLayout } from "./layout.ts";
import { UNIT_TOKEN_COUNT } from "./levels.ts";
import type { BandedTables } from "./tables.ts";
import { UnitReader } from "./units.ts";

/** A record's contents. */
export interface UnpackedBanded {
  /**
   * Codes `[channels][64]` and token steps, in packed order; absent places are 0, and so is every
   * place of a channel that is dropped.
   */
  block: QuantisedBlock;
  /** f16 bits of the sinks as in the record; empty if it has none. */
  sinks: Uint32Array;
}

/** Token step of a packed place. */
export function stepAt(layout: BandedLayout, record: Uint32Array, place: number): number {
  return (record[layout.stepsWord + (place >> 2)] >>> (8 * (place & 3))) & 255;
}

/** The value of a sink. */
export function sinkValue(
  layout: BandedLayout,
  record: Uint32Array,
  at: { side: Side; head: number; token: number; channel: number },
): number {
  const { side, head, token, channel } = at;
  const row = (side * layout.kvHeadCount + head) * layout.sinkCount + token;
  const half = row * layout.headSize + channel;
  const word = record[layout.sinksWord + (half >> 1)];
  return f16ToNumber((word >>> (16 * (half & 1))) & 0xffff);
}

/**
 * Unpacks a record that is known to be well formed: packed here, or checked by `checkBanded`.
 *
 * @param hasSinks Whether it is the first block of a sequence with sinks.
 */
export function unpackBanded(
  layout: BandedLayout,
  record: Uint32Array,
  source: { tables: BandedTables; hasSinks: boolean },
): UnpackedBanded {
  const { tables, hasSinks } = source;
  const tokenCount = layout.packedTokenCount(hasSinks);
  const params = new Uint32Array(BLOCK_TOKEN_COUNT);
  for (let place = 0; place < tokenCount; place++) params[place] = stepAt(layout, record, place);
  const sides = [KEY, VALUE].map(() => ({
    codes: new Uint8Array(layout.channelCount * BLOCK_TOKEN_COUNT),
    params,
  }));
  for (let index = 0; index < layout.sectionCount; index++) {
    const { side } = layout.sectionPlace(index);
    const section = sectionHead(record, index);
    const unit = new UnitReader(layout, section, { index, tables });
    while (unit.next()) {
      const count = Math.min(UNIT_TOKEN_COUNT, tokenCount - unit.firstPlace);
      const start = unit.channel * BLOCK_TOKEN_COUNT + unit.firstPlace;
      for (let place = 0; place < count; place++) {
        sides[side].codes[start + place] = unit.codes[place];
      }
    }
  }
  const sinks = record.slice(layout.sinksWord, layout.sectionsWord(hasSinks));
  return { block: { tokenCount, sides: [sides[KEY], sides[VALUE]] }, sinks };
}
