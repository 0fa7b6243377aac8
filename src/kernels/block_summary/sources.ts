/**
 * What the kernels that summarise blocks share: where the raw tiles lie, and what is bound.
 *
 * @module
 */

import { rawTileWords } from "../../codec/record.ts";
import type { BufferSlice } from "../../gpu/gpu.ts";
import { constantLines } from "../../gpu/wgsl_template.ts";
import { BLOCK_CONSTANTS } from "../text/block.ts";
import { ROW_TEXT } from "../text/row.ts";

/** What is kept of the keys of a block beside them, to say which blocks are worth reading. */
export type SummaryKind = "range" | "clusters";

/** What a kernel that summarises is compiled for. */
export interface BlockSummaryOptions {
  shape: { kvHeadCount: number; headSize: number };
  /** Where the raw tiles lie: as the entries say in the arena, or in turn in scratch. */
  source: "arena" | "scratch";
}

/** Buffers of one use of such a kernel. */
export interface BlockSummaryBuffers {
  /** u32 `[rows][ROW_WORDS]`; the list of row 0 is summarised. */
  rows: GPUBuffer | BufferSlice;
  /** Read lists of the store. */
  directory: GPUBuffer | BufferSlice;
  /** The arena, or scratch with as many tiles as blocks are encoded. */
  tiles: GPUBuffer | BufferSlice;
  /** u32 `[entries][kvHeadCount][headSize]`: pairs of f16. */
  summaries: GPUBuffer | BufferSlice;
}

const TILE_PLACES = { arena: "entry.record", scratch: "index * TILE_WORDS" } as const;

/** Text to append: constants, rows, and `tile_word(entry, index)`. */
export function summarySourceText({ shape, source }: BlockSummaryOptions): string {
  const constants = constantLines({
    ...BLOCK_CONSTANTS,
    D: shape.headSize,
    KV_HEAD_COUNT: shape.kvHeadCount,
    TILE_WORDS: rawTileWords(shape),
  });
  const place = `fn tile_word(entry: Entry, index: u32) -> u32 {
  return ${TILE_PLACES[source]};
}
`;
  return [constants, place, ROW_TEXT].join("\n");
}
