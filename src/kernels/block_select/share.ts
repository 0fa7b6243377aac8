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
    });
    const code = [source, constants, ROW_TEXT].join("\n");
    const kernel = await Kernel.create(gpu, { label: "block_select share", code });
    return new BlockShareKernel(kernel, kvHeadCount);
  }
}

/** A thread compares each record of its words with all others. */
function refuseTooLong({ isFallback }: AdapterFacts, listCountMax: number): void {
  const turnsOf = (count: number) => {
    const wordsOfThread = divCeil(setWords(count), THREAD_COUNT);
    return 2 * count + THREAD_COUNT + wordsOfThread * (1 + SET_WORD_BITS * (2 + count));
  };
  if (!isFallback || turnsOf(listCountMax) <= TURN_COUNT_MAX) return;
  throw new EngineError(
    "model_unsupported",
    `Cannot choose among ${listCountMax} blocks by their attention on a software driver: at most ` +
      `1,920, a context of ${1920 * BLOCK_TOKEN_COUNT} tokens`,
  );
}
