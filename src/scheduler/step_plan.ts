/**
 * One step of the engine as a plain value: what the scheduler asks of the GPU, and what comes back.
 *
 * A step runs in this order: `loads`, `swaps`, `packs`, `links`, `restores`, the rows of `decodes`,
 * those of `slice`, `keeps`, `measures`, `saves`.
 *
 * @module
 */

import type { Extent } from "./allocator.ts";
import type { ItemKind } from "./block_key.ts";
import type { RecordSizes } from "./block_memory.ts";
import type { Gather } from "./keep/compaction.ts";
import type { SliceObservation } from "./keep/keeping.ts";
import type { StoreScores } from "./keep/method.ts";

/** Packs one sealed block of one sequence from its raw tile into the arena. */
export interface PackOp {
  /** Slot of the sequence. */
  slot: number;
  /** Index of the block in its sequence: tokens `64 * blockIndex` to `64 * blockIndex + 63`. */
  blockIndex: number;
  /**
   * Entry of the slot's read list that the block becomes; in stores whose rows see their newest
   * tokens only it is `blockIndex`.
   */
  listIndex: number;
  /** Index of the block in the `measures` of the step that measured it, the one before. */
  jobIndex: number;
  /**
   * Word offset of each record in the arena of its group, by store; multiples of 4, or `NO_RECORD`
   * where none is packed.
   */
  recordOffsets: readonly number[];
  /** Tokens of each record, by store; 64 if left out. */
  tokenCounts?: readonly number[];
}

/** A tile of a slot's window, of all stores. */
export interface WindowPlace {
  slot: number;
  /** The tile is `blockIndex % tileCount` of the ring of a store. */
  blockIndex: number;
  /** Of stores that seal nothing only: the rings of others have newer tiles in its place. */
  inLongRingsOnly?: boolean;
}

/** Copies a block of all stores from the host to the device. */
export interface LoadOp {
  key: string;
  /** Where to: extents of the arenas, or a tile of a slot's window. */
  target: { extents: readonly Extent[] } | WindowPlace;
}

/** Copies a block of all stores from the device to the host. */
export interface SaveOp extends RecordSizes {
  key: string;
  kind: ItemKind;
  /** One per arena group. */
  extents: readonly Extent[];
}

/** Copies a block of a preempted sequence to the host, before its memory holds something else. */
export interface SwapOp extends RecordSizes {
  key: string;
  kind: ItemKind;
  /** Where from: extents of the arenas, or a tile of a slot's window. */
  source: { extents: readonly Extent[] } | { slot: number; blockIndex: number };
}

/** Puts a sealed block that is in the arena already into a slot's read list. */
export interface LinkOp {
  slot: number;
  blockIndex: number;
  /** As in a {@link PackOp}. */
  listIndex: number;
  /** By store; `NO_RECORD` for those of which it is no block. */
  recordOffsets: readonly number[];
  /** Tokens of each record, by store; 64 if left out. */
  tokenCounts?: readonly number[];
}

/** Copies the raw tiles of one block of all stores from the arena to a slot's window, or back. */
export interface TileOp extends WindowPlace {
  /** By store: word offset in the arena. */
  recordOffsets: readonly number[];
}

/** A sequence that takes a slot with this step: how its tokens are sampled is set before. */
export interface StartOp {
  sequenceId: number;
  slot: number;
  /** Tokens of its prompt that are in the cache and not prefilled. */
  cachedTokenCount: number;
  /** Tokens it generated that are stored already: those before its first row. */
  storedIds: readonly number[];
}

/** One token of a sequence in decode: fed, stored at `position`, and followed by a sampled one. */
export interface DecodeRow {
  sequenceId: number;
  slot: number;
  /** Position of the token fed. */
  position: number;
  /** The token fed if it is known; null for the one sampled by the step before, on the GPU. */
  knownId: number | null;
  /**
   * Guesses of the tokens that follow: fed behind it at `position + 1`, …, each followed by a
   * sampled one of its own.
   */
  draftIds: readonly number[];
  /** Entries of its slot's read list that it reads; those of this step's packs are counted. */
  listCount: number;
  /** It reads the raw window from this block on. */
  firstWindowBlock: number;
}

/** What a row feeds, and where. */
export type DecodePlace = Pick<DecodeRow, "position" | "knownId" | "draftIds">;

/**
 * A run of prompt tokens of one sequence; it never crosses a multiple of 64 positions. Beside
 * decode rows its layers may be spread over several steps, which follow one another.
 */
export interface PrefillSlice {
  sequenceId: number;
  slot: number;
  /** Position of the first token. */
  position: number;
  /** Token ids at `position`, `position + 1`, …; 1 to 64 of them. */
  ids: readonly number[];
  /** Entries of its slot's read list that its rows read; those of this step's packs are counted. */
  listCount: number;
  /** They read the raw window from this block on. */
  firstWindowBlock: number;
  /** Layers that this step runs: `first ..< end`. */
  layers: { first: number; end: number };
  /** Whether the last layer is among them, so that the tokens are stored. */
  isComplete: boolean;
  /** Whether it is complete and has the last prompt token, so that a token is sampled after it. */
  isLast: boolean;
  /** Rows whose attention is summed up by token; none if left out. */
  observed?: SliceObservation;
}

/** Quantises and measures one block after the step's rows; it is packed by the next step. */
export interface MeasureOp {
  sequenceId: number;
  slot: number;
  /** Index of the block in its sequence, in the raw window tile `blockIndex % 4`. */
  blockIndex: number;
  /** What of other blocks it is made of, their codes as they are; of the window if left out. */
  gather?: Gather;
}

/** Everything one command buffer does. Never changed after it was made. */
export interface StepPlan {
  /** 0, 1, 2, … in the order of planning and of committing. */
  stepIndex: number;
  starts: readonly StartOp[];
  /** From the host; the sequences that read them run in this step. */
  loads: readonly LoadOp[];
  /** To the host; a step with any has no starts. */
  swaps: readonly SwapOp[];
  /** Blocks measured by the step before. Encoded before the rows. */
  packs: readonly PackOp[];
  links: readonly LinkOp[];
  /** From the arena to windows. */
  restores: readonly TileOp[];
  /** At most one per slot. */
  decodes: readonly DecodeRow[];
  /** At most one per step, of a sequence that is not in `decodes`. */
  slice: PrefillSlice | null;
  /** From windows to the arena. */
  keeps: readonly TileOp[];
  /** Encoded after the rows; those that gather come last. */
  measures: readonly MeasureOp[];
  /** To the host. */
  saves: readonly SaveOp[];
  /** Keys whose bytes on the host are not needed any more, once the loads are encoded. */
  drops: readonly string[];
}

/** A step that does nothing. */
export const EMPTY_STEP: StepPlan = {
  stepIndex: 0,
  starts: [],
  loads: [],
  swaps: [],
  packs: [],
  links: [],
  restores: [],
  decodes: [],
  slice: null,
  keeps: [],
  measures: [],
  saves: [],
  drops: [],
};

/** What the GPU made of a {@link StepPlan}. */
export interface StepResult {
  /** Sampled token by sequence: of each decode row, and of the slice if it was the last. */
  ids: ReadonlyMap<number, number>;
  /** Tokens sampled after each of a row's `draftIds`, by sequence; none if left out. */
  draftSamples?: ReadonlyMap<number, readonly number[]>;
  /**
   * Words of the records of each measured block, `[measure][store]`; multiples of 4, 0 for a store
   * that keeps only a window.
   */
  recordWords: readonly (readonly number[])[];
  /** Tokens of these records, `[measure][store]`, 1 to 64; all have 64 if left out. */
  tokenCounts?: readonly (readonly number[])[];
  /** Of the slice if it was the last of an observed prompt, by store; null: not all is kept. */
  scores?: readonly (StoreScores | null | "as before")[];
  /** Indexes of the measures whose block holds NaN or infinity; its sequence fails. */
  refused: readonly number[];
}
