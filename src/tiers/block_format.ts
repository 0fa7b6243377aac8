/**
 * Blocks apart from any device, and what those of one cache have in common.
 *
 * @module
 */

import type { Codec } from "../codec/codec.ts";
import type { LayerTurns } from "../codec/cold/turn.ts";
import type { CodecProfile } from "../codec/profile_types.ts";
import type { RecordSizes } from "../scheduler/block_memory.ts";

/** A block apart from any device. */
export interface StoredBlock extends RecordSizes {
  /** Name and kind: src/scheduler/block_key.ts. */
  key: string;
  /** Records, or raw tiles, of all stores, one after the other. */
  words: Uint32Array<ArrayBuffer>;
}

/** What all blocks of one cache have in common. */
export interface BlockFormat {
  /** Stands for model, profile, format and device. */
  root: string;
  kvHeadCount: number;
  headSize: number;
  profile: CodecProfile;
  /** Left out: blocks are not written in the cold form, and none is read. */
  cold?: ColdFormat;
}

/** What both ends of the cold form know of a cache. */
export interface ColdFormat {
  /** By store: the layer that writes it. */
  layers: readonly number[];
  /** Those of the codec. */
  tables: Codec["tables"];
  /** How keys of each layer of the model turn from token to token; left out: they do not. */
  turns?: LayerTurns;
}
