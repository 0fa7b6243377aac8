/**
 * Our own codec. FORMAT.md section 7.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { BlockPlace, BlockValues, Codec, CodecKind } from "../codec.ts";
import type { HeadShape } from "../raw_tile.ts";
import type { RecordRows } from "../cold/record_rows.ts";
import { BandedLayout } from "./layout.ts";
import { UNIT_TOKEN_COUNT } from "./levels.ts";
import { POINT_COUNT } from "./points.ts";
import { packBanded, packSinks } from "./pack.ts";
import { quantiseBanded } from "./quantise.ts";
import { BandedRows } from "./rows.ts";
import { BANDED_PROFILES, type BandedProfile } from "./settings.ts";
import { type BandedTables, quantiserWords, readerStride } from "./tables.ts";
import { bandedValues } from "./values.ts";

/** Packs in bands, by steps calibrated on the model. */
export class BandedCodec implements Codec {
  readonly id = "banded";
  readonly isExact = false;
  readonly keepsOrder = true;
  readonly profile: BandedProfile;
  /** Of its records. */
  readonly layout: BandedLayout;
  /** By layer. */
  readonly tables: readonly BandedTables[];
  readonly codelessWords = null;
  readonly recordWords: { min: number; max: number };
  readonly fixedWords: number;
  readonly tableWords: number;
  readonly sinkCount: number;
  readonly packTokenCount: number = UNIT_TOKEN_COUNT;
  readonly identity: string;
  #rows: RecordRows | null = null;

  /** Makes it for a model's heads and tables. */
  constructor(shape: HeadShape, profile: BandedProfile, tables: readonly BandedTables[]) {
    const { kvHeadCount, headSize } = shape;
    this.profile = profile;
    this.tables = tables;
    this.sinkCount = profile.sinkCount;
    this.layout = new BandedLayout({ kvHeadCount, headSize, sinkCount: profile.sinkCount });
    this.recordWords = { min: this.layout.recordWordsMin, max: this.layout.recordWordsMax };
    this.fixedWords = this.layout.fixedWords(false);
    this.tableWords = tables.reduce((sum, layer) => sum + quantiserWords(layer).length, 0) +
      tables.length * readerStride(kvHeadCount * headSize) + POINT_COUNT;
    this.identity = `${JSON.stringify(profile)} ${tablesDigest(tables)}`;
  }

  /** Quantises and packs; the first block of a sequence keeps its sinks. */
  pack(tile: Uint32Array, { layer, blockIndex }: BlockPlace): Uint32Array {
    const { layout } = this;
    const tables = this.tables[layer];
    const firstToken = this.#hasSinks(blockIndex) ? layout.sinkCount : 0;
    const block = quantiseBanded(layout, tile, { tables, firstToken });
    const sinks = firstToken > 0 ? packSinks(layout, tile) : new Uint32Array();
    return packBanded(layout, { block, tables }, sinks);
  }

  /** Values by place; sinks come last. */
  unpack(record: Uint32Array, { layer, blockIndex }: BlockPlace): BlockValues {
    const source = { layout: this.layout, tables: this.tables[layer] };
    const [keys, values] = bandedValues(source, record, this.#hasSinks(blockIndex));
    return { keys, values };
  }

  get rows(): RecordRows {
    return this.#rows ??= new BandedRows(this.layout, this.tables);
  }

  #hasSinks(blockIndex: number): boolean {
    return blockIndex === 0 && this.sinkCount > 0;
  }
}

function tablesDigest(tables: readonly BandedTables[]): string {
  const hash = createHash("sha256");
  for (const { keyStep, valueStep, normRecip, bands } of tables) {
    for (const part of [keyStep, valueStep, Float32Array.of(normRecip), bands]) {
      hash.update(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
    }
  }
  return hash.digest("hex").slice(0, 32);
}

/** The codec `banded`. Its portable form needs the model's tables: see `portable.ts`. */
export const BANDED: CodecKind<BandedCodec> = {
  id: "banded",
  label: "calibrated",
  needsCalibration: true,
  profiles: BANDED_PROFILES,
  create(shape, given, tables) {
    if (tables === null) throw new RangeError(`Cannot use profile ${given.name} uncalibrated`);
    return new BandedCodec(shape, BANDED_PROFILES.profile(given), tables);
  },
  portable: () => null,
};
