/**
 * Texts that are read alone through an exact cache, to measure what a model makes of them: its
 * states, what its layers keep, its logits.
 *
 * @module
 */

import { createCodec } from "../codec/profile.ts";
import { BLOCK_TOKEN_COUNT, WORD_SIZE_BYTES } from "../core/shapes.ts";
import { readBuffer } from "../gpu/read_back.ts";
import { tensorValues } from "../model/tensor_source.ts";
import { planCache } from "./cache_plan.ts";
import type { LoadedModel } from "./load_model.ts";
import { soleSequence } from "./step_driver.ts";
import { StepRunner } from "./step_runner.ts";

/** Runs of one model through an exact cache. */
export interface TextRuns {
  /** Behind the final norm, of all tokens of a piece. */
  states(piece: readonly number[]): Promise<Float32Array>;
  /** Raw tiles by layer of the piece that was run last. */
  firstTiles(): Promise<Uint32Array[]>;
  /**
   * Logits of positions from `from`, a multiple of 64, on whose next token is among `ids`.
   */
  logits(
    ids: readonly number[],
    from: number,
    onRow: (position: number, logits: Float32Array) => void,
  ): Promise<void>;
}

/**
 * Runs `body` with an exact cache for texts of up to `tokenCountMax` tokens.
 */
export async function withTextRuns(
  model: LoadedModel,
  tokenCountMax: number,
  body: (runs: TextRuns) => Promise<void>,
): Promise<void> {
  const codec = createCodec(model.shape, { name: "exact" }, null);
  const contextLength = Math.ceil((tokenCountMax + 1) / BLOCK_TOKEN_COUNT) * BLOCK_TOKEN_COUNT;
  const plan = planCache(model, { codec, slotCount: 1, contextLength });
  const runner = await StepRunner.create(model, { cacheShape: plan.shape, codec });
  const norm = tensorValues(model.file, model.plan.head.norm);
  const begin = (promptIds: readonly number[]) =>
    soleSequence(runner, plan, { sequenceId: 1, promptIds, maxTokens: 1 });
  try {
    await body({
      async states(piece) {
        const hidden = { first: 0, count: piece.length };
        const ran = await begin(piece).step((step) => runner.run(step, { hidden }));
        return normed(ran!.outcome.hidden, norm, model.plan.normEpsilon);
      },
      async firstTiles() {
        const { cache } = runner;
        return await Promise.all(model.plan.layers.map(async (_, layer) => {
          const { tileWords } = cache.shape.stores[cache.storeOf(layer)];
          const sizeBytes = tileWords * WORD_SIZE_BYTES;
          return new Uint32Array(await readBuffer(model.gpu, cache.windowOf(layer), { sizeBytes }));
        }));
      },
      async logits(ids, from, onRow) {
        await runner.graph.enableSliceLogits();
        const driver = begin(ids);
        for (let position = 0; position < ids.length; position += BLOCK_TOKEN_COUNT) {
          const rowCount = Math.min(BLOCK_TOKEN_COUNT, ids.length - position);
          await driver.step((step) => runner.run(step, { wantsLogits: position >= from }));
          if (position < from) continue;
          const rows = await runner.graph.readSliceLogits(rowCount);
          const comparable = rows.slice(0, ids.length - 1 - position);
          comparable.forEach((row, index) => onRow(position + index, row));
        }
      },
    });
  } finally {
    runner.destroy();
  }
}

function normed(rows: Float32Array, weights: Float32Array, epsilon: number): Float32Array {
  const out = new Float32Array(rows.length);
  for (let start = 0; start < rows.length; start += weights.length) {
    const row = rows.subarray(start, start + weights.length);
    const meanSquare = row.reduce((sum, value) => sum + value * value, 0) / row.length;
    const factor = 1 / Math.sqrt(meanSquare + epsilon);
    row.forEach((value, i) => out[start + i] = value * factor * weights[i]);
  }
  return out;
}
