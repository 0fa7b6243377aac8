/**
 * Blocks as they are: a record is the raw tile. FORMAT.md section 5.
 *
 * @module
 */

import type { BlockValues, Codec, CodecKind } from "../codec.ts";
import type { RecordRows } from "../cold/record_rows.ts";
import { type HeadShape, rawTileValues } from "../raw_tile.ts";
import { RawTileRows } from "../raw_tile_rows.ts";
import { KEY, rawTileWords, VALUE } from "../record.ts";
import { RAW_PROFILES, type RawProfile } from "./settings.ts";

/** Keeps raw tiles. */
export class RawCodec implements Codec {
  readonly id = "raw";
  readonly isExact = true;
  readonly keepsOrder = true;
  readonly fixedWords = 0;
  readonly tableWords = 0;
  readonly sinkCount = 0;
  readonly packTokenCount = 1;
  readonly profile: RawProfile;
  readonly codelessWords = null;
  readonly recordWords: { min: number; max: number };
  readonly identity: string;
  readonly tables = null;
  #rows: RecordRows | null = null;
  #shape: HeadShape;

  /** Makes it for a model's heads. */
  constructor(shape: HeadShape, profile: RawProfile) {
    this.#shape = shape;
    this.profile = profile;
    const words = rawTileWords(shape);
    this.recordWords = { min: words, max: words };
    this.identity = JSON.stringify(profile);
  }

  get rows(): RecordRows {
    return this.#rows ??= new RawTileRows(this.#shape);
  }

  /** A copy of the tile. */
  pack(tile: Uint32Array): Uint32Array {
    return tile.slice();
  }

  /** The tile's values. */
  unpack(record: Uint32Array): BlockValues {
    const [keys, values] = [KEY, VALUE].map((side) => rawTileValues(this.#shape, record, side));
    return { keys, values };
  }
}

/** The codec `raw`. */
export const RAW: CodecKind<RawCodec> = {
  id: "raw",
  label: "exact",
  needsCalibration: false,
  profiles: RAW_PROFILES,
  create: (shape, given) => new RawCodec(shape, RAW_PROFILES.profile(given)),
  portable: () => null,
};
