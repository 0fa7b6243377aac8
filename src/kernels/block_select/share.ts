import source from "../../../shaders/block_select/share.wgsl" with { type: "text" };
import { EngineError } from "../../core/errors.ts";
import { BLOCK_TOKEN_COUNT, divCeil, divExact } from "../../core/shapes.ts";
import type { AdapterFacts, BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { constantLines } from "../../gpu/wgsl_template.ts";
import { HeadRowsKernel } from "../head_rows.ts";
import { ROW_TEXT } from "../text/row.ts";
import { TURN_COUNT_MAX } from "../turns.ts";
import type { BlockSelectBuffers } from "./top.ts";

/** Threads of a workgroup, as in the shader. */
const THREAD_COUNT = 64;
/** Records of a word of bits. */
const SET_WORD_BITS = 32;
/** Bits that scores may have: floats that are not negative. */
const POSITIVE_FLOAT_COUNT = 2 ** 31;

/** Words of the bits of a row and KV head, whose list has room for so many records. */
export function setWords(listCountMax: number): number {
  return divCeil(listCountMax, SET_WORD_BITS);
}

/** Buffers of one use of {@link BlockShareKernel}. */
export interface BlockShareBuffers extends BlockSelectBuffers {
  /** f32 `[rows]`: heads of a group times the share that is read. */
  limits: GPUBuffer | BufferSlice;
  /** u32 `[rows][kvHeadCount][setWords(listCountMax)]`: a bit for each record that is chosen. */
  sets: GPUBuffer | BufferSlice;
}

/** Makes a read list for each row and KV head of the fewest records that get enough attention. */
export class BlockShareKernel extends HeadRowsKernel<BlockShareBuffers> {
  /**
   * Compiles for one shape.
   *
   * @throws {EngineError} `model_unsupported` if the software driver makes too few turns for that
   * many entries.
   */
  static async create(
    gpu: Gpu,
    options: { kvHeadCount: number; queryHeadCount: number; listCountMax: number },
  ): Promise<BlockShareKernel> {
    const { kvHeadCount, queryHeadCount, listCountMax } = options;
    refuseTooLong(gpu.facts, listCountMax);
    const constants = constantLines({
      KV_HEAD_COUNT: kvHeadCount,
      GROUP_SIZE: divExact(queryHeadCount, kvHeadCount),
      LIST_MAX: listCountMax,
      SET_WORDS: setWords(listCountMax),
      ROUNDS: roundCountMax(listCountMax),
    });
    const code = [source, constants, ROW_TEXT].join("\n");
    const kernel = await Kernel.create(gpu, { label: "block_select share", code });
    return new BlockShareKernel(kernel, kvHeadCount);
  }
}

/**
 * Most rounds of the search: each leaves at most one of {@link THREAD_COUNT} parts of the scores'
 * bits, then of the indexes of records that have one score.
 */
function roundCountMax(listCountMax: number): number {
  return roundsOf(POSITIVE_FLOAT_COUNT) + roundsOf(listCountMax);
}

function roundsOf(count: number): number {
  return count <= 1 ? 0 : 1 + roundsOf(divCeil(count, THREAD_COUNT));
}

/** Turns of loops of a thread at most. */
function turnsOf(listCountMax: number): number {
  const wordsOfThread = divCeil(setWords(listCountMax), THREAD_COUNT);
  const blocksOfThread = SET_WORD_BITS * wordsOfThread;
  const ofRound = 1 + blocksOfThread + 2 * THREAD_COUNT + listCountMax;
  const ofLists = 2 * (wordsOfThread + blocksOfThread) + THREAD_COUNT +
    divCeil(listCountMax, THREAD_COUNT);
  return roundCountMax(listCountMax) * ofRound + listCountMax + ofLists;
}

function refuseTooLong({ isFallback }: AdapterFacts, listCountMax: number): void {
  if (!isFallback || turnsOf(listCountMax) <= TURN_COUNT_MAX) return;
  let most = listCountMax;
  while (turnsOf(most) > TURN_COUNT_MAX) most--;
  throw new EngineError(
    "model_unsupported",
    `Cannot choose among ${listCountMax} blocks by their attention on a software driver: at most ` +
      `${most}, a context of ${most * BLOCK_TOKEN_COUNT} tokens`,
  );
}
