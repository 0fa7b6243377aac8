/**
 * DeltaKV without training, each block by centres of its own. FORMAT.md section 11;
 * arXiv:2602.08005.
 *
 * @module
 */

import type { BlockPlace, BlockValues, Codec, CodecKind } from "../codec.ts";
import type { RecordRows } from "../cold/record_rows.ts";
import type { LayerTurns } from "../cold/turn.ts";
import { quantisePaper } from "../paper/quantise.ts";
import type { HeadShape } from "../raw_tile.ts";
import { turnWords } from "./centres.ts";
import { describeBlock } from "./describe.ts";
import { DeltaKvLayout } from "./layout.ts";
import { deltaKvValues, packDeltaKv } from "./record.ts";
import { DeltaKvRows } from "./rows.ts";
import { DELTAKV_PROFILES, type DeltaKvProfile } from "./settings.ts";

/** Keeps what tokens differ by from others of their block. */
export class DeltaKvCodec implements Codec {
  readonly id = "deltakv";
  readonly isExact = false;
  readonly keepsOrder = true;
  readonly tableWords: number;
  readonly sinkCount = 0;
  readonly packTokenCount = 1;
  readonly profile: DeltaKvProfile;
  /** Of its records. */
  readonly layout: DeltaKvLayout;
  readonly codelessWords = null;
  readonly recordWords: { min: number; max: number };
  readonly fixedWords: number;
  readonly identity: string;
  readonly tables = null;
  readonly rows: RecordRows;
  /** By what pairs turn by: worked out once for all layers that turn alike. */
  #words = new Map<Uint32Array | null, Uint32Array<ArrayBuffer>>();
  #turns: LayerTurns;

  /**
   * Makes it for a model's heads.
   *
   * @param turns What keys of its layers turn by.
   */
  constructor(shape: HeadShape, profile: DeltaKvProfile, turns: LayerTurns) {
    this.profile = profile;
    this.layout = new DeltaKvLayout(shape, profile);
    this.recordWords = this.layout.recordWordsLimits;
    this.fixedWords = this.layout.fixedWords;
    this.identity = JSON.stringify(profile);
    this.rows = new DeltaKvRows(this.layout);
    this.#turns = turns;
    const kindCount = new Set(turns ?? [null]).size;
    this.tableWords = kindCount * 64 * shape.headSize / 2;
  }

  /** What keys of a layer turn by, as `turnWords` has it; the same array for layers alike. */
  turnWordsOf(layer: number): Uint32Array<ArrayBuffer> {
    const own = this.#turns?.[layer] ?? null;
    const words = this.#words.get(own) ?? turnWords(own, this.layout.headSize);
    this.#words.set(own, words);
    return words;
  }

  /** Quantises as profile `paper`, describes and packs. */
  pack(tile: Uint32Array, { layer }: Pick<BlockPlace, "layer">): Uint32Array {
    const { layout, profile } = this;
    const block = quantisePaper(layout, tile, profile);
    return packDeltaKv(layout, describeBlock(layout, block, this.turnWordsOf(layer)));
  }

  /** Values by token: those that profile `paper` reads. */
  unpack(record: Uint32Array, { layer }: Pick<BlockPlace, "layer">): BlockValues {
    return deltaKvValues(this.layout, record, this.turnWordsOf(layer));
  }
}

/** The codec `deltakv`. */
export const DELTAKV: CodecKind<DeltaKvCodec> = {
  id: "deltakv",
  label: "deltakv",
  needsCalibration: false,
  profiles: DELTAKV_PROFILES,
  create: (shape, given, _tables, turns = null) =>
    new DeltaKvCodec(shape, DELTAKV_PROFILES.profile(given), turns),
  // Keys are read with what the model turns them by.
  portable: () => null,
};
