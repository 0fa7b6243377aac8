/** The seeded caches of attention_case.ts with their sealed blocks as banded records. */

import { bandsOf } from "../../src/calibration/bands.ts";
import { BandedLayout } from "../../src/codec/banded/layout.ts";
import { packBanded, packSinks } from "../../src/codec/banded/pack.ts";
import { quantiseBanded } from "../../src/codec/banded/quantise.ts";
import { type BandedTables, bandedTables } from "../../src/codec/banded/tables.ts";
import { rawTileWords } from "../../src/codec/record.ts";
import type { HeadShape } from "../../src/codec/raw_tile.ts";
import { ENTRY_WORDS, entryWords, readEntry } from "../../src/core/row.ts";
import { type AttentionCase, type CaseShape, makeAttentionCase } from "./attention_case.ts";
import { dropChannels, keptChannels } from "./dropped_channels.ts";

/** How sealed blocks are stored. */
export interface BandedForm {
  sinkCount: number;
  tables: BandedTables;
  /** Whether some channels of K are dropped, others in each block. */
  hasDropped?: boolean;
}

/** A case and what its records are read with. */
export interface BandedAttentionCase extends AttentionCase {
  banded: BandedLayout;
  tables: BandedTables;
  hasDropped: boolean;
}

/** Tables that fit the values of `seededTile`, as a calibration would. */
export function fittingTables(shape: HeadShape, step: number): BandedTables {
  const channelCount = shape.kvHeadCount * shape.headSize;
  const bands = new Uint32Array(2 * channelCount * 8);
  for (let channel = 0; channel < channelCount; channel++) {
    const isLarge = channel % 29 === 3;
    const deviation = isLarge ? 1 : 0.2 + (channel % 7) / 7;
    const between = 0.2 * deviation;
    const key = { mean: isLarge ? 4 : 0, between, within: deviation };
    bands.set(bandsOf(key, step), channel * 8);
    const value = { mean: 0, between: 0.2, within: 1 };
    bands.set(bandsOf(value, step), (channelCount + channel) * 8);
  }
  const keyStep = new Float32Array(channelCount).fill(step);
  const valueStep = keyStep.map((step, channel) => step * (channel % 5 === 2 ? 0.75 : 1));
  // The mean magnitude of standard normal values.
  return bandedTables({ keyStep, valueStep, normReference: Math.sqrt(2 / Math.PI), bands });
}

/** As `makeAttentionCase`, with banded blocks. */
export function makeBandedAttentionCase(
  shape: CaseShape,
  lengths: readonly number[],
  form: BandedForm,
  options: { seed?: number; scale?: number } = {},
): BandedAttentionCase {
  const raw = makeAttentionCase(shape, lengths, "raw", options);
  const layout = new BandedLayout({ ...shape, sinkCount: form.sinkCount });
  const { tables, hasDropped = false } = form;
  const tileWords = rawTileWords(shape);
  const directory = new Uint32Array(raw.directory.length);
  const records: Uint32Array[] = [];
  let end = 8;
  for (let entry = 0; entry < directory.length / ENTRY_WORDS; entry++) {
    const { word: offset, ...kept } = readEntry(raw.directory, entry);
    if (offset === 0) continue;
    const tile = raw.arena.slice(offset, offset + tileWords);
    const hasSinks = kept.isFirst && form.sinkCount > 0;
    const firstToken = hasSinks ? form.sinkCount : 0;
    const block = quantiseBanded(shape, tile, { tables, firstToken });
    if (hasDropped) dropChannels(block, keptChannels(shape, entry));
    const sinks = hasSinks ? packSinks(layout, tile) : new Uint32Array();
    const record = packBanded(layout, { block, tables }, sinks);
    directory.set(entryWords({ ...kept, word: end }), entry * ENTRY_WORDS);
    records.push(record);
    end += record.length;
  }
  const arena = new Uint32Array(end + 4);
  let start = 8;
  for (const record of records) {
    arena.set(record, start);
    start += record.length;
  }
  return { ...raw, arena, directory, layout: null, banded: layout, tables, hasDropped };
}
