/**
 * Eight bits a value: a signed byte, and one scale for each token of a head. FORMAT.md section 8.
 *
 * @module
 */

import type { BlockValues, Codec, CodecKind } from "../codec.ts";
import type { RecordRows } from "../cold/record_rows.ts";
import { ProfileTable } from "../profile_table.ts";
import type { HeadShape } from "../raw_tile.ts";
import { Int8Layout, SCALE_WORDS } from "./layout.ts";
import { packPortableInt8, parsePortableInt8 } from "./portable.ts";
import { int8Values, packInt8 } from "./record.ts";
import { Int8Rows } from "./rows.ts";

/** Signed bytes; it has no settings. */
export interface Int8Profile {
  /** `int8`. */
  name: "int8";
}

const INT8_PROFILES = new ProfileTable<Int8Profile>({}, [{ name: "int8" }]);

/** Packs each value in a byte. */
export class Int8Codec implements Codec {
  readonly id = "int8";
  readonly isExact = false;
  readonly keepsOrder = true;
  readonly tableWords = 0;
  readonly sinkCount = 0;
  readonly packTokenCount = 1;
  readonly profile: Int8Profile;
  /** Of its records. */
  readonly layout: Int8Layout;
  readonly codelessWords = null;
  readonly recordWords: { min: number; max: number };
  readonly fixedWords: number;
  readonly identity: string;
  readonly tables = null;
  readonly rows: RecordRows;

  /** Makes it for a model's heads. */
  constructor(shape: HeadShape, profile: Int8Profile) {
    this.profile = profile;
    this.layout = new Int8Layout(shape);
    const { recordWords, sectionCount } = this.layout;
    this.recordWords = { min: recordWords, max: recordWords };
    this.fixedWords = sectionCount * SCALE_WORDS;
    this.identity = JSON.stringify(profile);
    this.rows = new Int8Rows(this.layout);
  }

  /** Quantises and packs; tokens keep their order. */
  pack(tile: Uint32Array): Uint32Array {
    return packInt8(this.layout, tile);
  }

  /** Values by token. */
  unpack(record: Uint32Array): BlockValues {
    return int8Values(this.layout, record);
  }
}

/** The codec `int8`. */
export const INT8: CodecKind<Int8Codec> = {
  id: "int8",
  label: "int8",
  needsCalibration: false,
  profiles: INT8_PROFILES,
  create: (shape, given) => new Int8Codec(shape, INT8_PROFILES.profile(given)),
  portable: ({ kvHeadCount, headSize }) => ({
    pack: (records) => packPortableInt8({ kvHeadCount, headSize, records }),
    parse: (bytes) => parsePortableInt8(bytes).records,
  }),
};
