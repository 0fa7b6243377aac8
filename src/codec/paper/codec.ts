/**
 * The published codec. FORMAT.md section 6; arXiv:2512.24449.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { BlockValues, Codec, CodecKind } from "../codec.ts";
import type { RecordRows } from "../cold/record_rows.ts";
import type { HeadShape } from "../raw_tile.ts";
import { repackOrder } from "../repack.ts";
import { PaperLayout } from "./layout.ts";
import { packPaper } from "./pack.ts";
import { packPortablePaper, parsePortablePaper } from "./portable.ts";
import { quantisePaper } from "./quantise.ts";
import { PAPER_PROFILES, type PaperProfile } from "./settings.ts";
import { PaperRows } from "./rows.ts";
import { paperValues } from "./values.ts";

/** Packs by the range of each token. */
export class PaperCodec implements Codec {
  readonly id = "paper";
  readonly isExact = false;
  readonly keepsOrder: boolean;
  readonly tableWords = 0;
  readonly sinkCount = 0;
  readonly packTokenCount = 1;
  readonly profile: PaperProfile;
  /** Of its records. */
  readonly layout: PaperLayout;
  readonly codelessWords = null;
  readonly recordWords: { min: number; max: number };
  readonly fixedWords: number;
  readonly identity: string;
  readonly tables = null;
  readonly rows: RecordRows;

  /** Makes it for a model's heads. */
  constructor(shape: HeadShape, profile: PaperProfile) {
    this.profile = profile;
    this.keepsOrder = profile.repack === "none";
    this.layout = PaperLayout.forProfile(shape, profile);
    const { recordWordsMin: min, recordWordsMax: max, fixedWords } = this.layout;
    this.recordWords = { min, max };
    this.fixedWords = fixedWords;
    this.identity = JSON.stringify(profile);
    this.rows = new PaperRows(this.layout);
  }

  /** Quantises, orders and packs. */
  pack(tile: Uint32Array): Uint32Array {
    const { layout, profile } = this;
    const block = quantisePaper(layout, tile, profile);
    return packPaper(layout, block, repackOrder(profile.repack, block, layout.packSize));
  }

  /** Values by packed place. */
  unpack(record: Uint32Array): BlockValues {
    return paperValues(this.layout, record);
  }
}

/** The codec `paper`. */
export const PAPER: CodecKind<PaperCodec> = {
  id: "paper",
  label: "paper",
  needsCalibration: false,
  profiles: PAPER_PROFILES,
  create: (shape, given) => new PaperCodec(shape, PAPER_PROFILES.profile(given)),
  portable({ kvHeadCount, headSize }, given) {
    const profile = PAPER_PROFILES.profile(given);
    const block = { kvHeadCount, headSize, tokenCount: BLOCK_TOKEN_COUNT, profile };
    return {
      pack: (records) => packPortablePaper({ ...block, records }),
      parse: (bytes) => parsePortablePaper(bytes).records,
    };
  },
};
