/**
 * What sharing layers does to a model: its final hidden states on pieces of a text, and its next
 * tokens in a row, beside those of the model itself.
 *
 * @module
 */

import type { LoadedModel } from "../../runtime/load_model.ts";
import { withSharedLayers } from "../../runtime/shared_model.ts";
import { withTextRuns } from "../../runtime/text_runs.ts";
import type { SharedLayer } from "../../runtime/types.ts";
import { Divergence } from "../divergence.ts";
import { type ExactRow, exactRow } from "../exact_row.ts";
import { LayerMeans } from "./distances.ts";
import type { SharingTexts } from "./texts.ts";

/** First position of the run whose next token is compared. */
const FROM = 64;

/** What some layers that share do. */
export interface SharingEffect {
  /** Mean cosine of the final hidden states, behind the final norm. */
  cosine: number;
  /** Mean KL of next tokens, in nats. */
  kl: number;
}

/** What is wanted of a trial: the rest is not run. */
export type WantedEffect = "cosine" | "kl";

/** Tries pairs on a model. */
export class SharingTrial {
  readonly #model: LoadedModel;
  readonly #texts: SharingTexts;
  /** Of the model itself, by piece: f32 `[tokens * width]`. */
  readonly #states: readonly Float32Array[];
  /** Of the model itself, by position of the run from {@link FROM} on. */
  readonly #rows: readonly ExactRow[];
  /** Keys and values of the model itself. */
  readonly means: LayerMeans;

  private constructor(
    model: LoadedModel,
    texts: SharingTexts,
    own: { states: Float32Array[]; rows: ExactRow[]; means: LayerMeans },
  ) {
    this.#model = model;
    this.#texts = texts;
    this.#states = own.states;
    this.#rows = own.rows;
    this.means = own.means;
  }

  /** Runs the model itself. */
  static async create(model: LoadedModel, texts: SharingTexts): Promise<SharingTrial> {
    const heads = model.plan.layers.map(({ attention }) => attention.headShape);
    const means = new LayerMeans(heads, texts.pieces[0].length);
    const states: Float32Array[] = [];
    const rows: ExactRow[] = [];
    await withTextRuns(model, texts.runIds.length, async (run) => {
      for (const piece of texts.pieces) {
        states.push(await run.states(piece));
        means.add(await run.firstTiles());
      }
      await run.logits(texts.runIds, FROM, (position, logits) => {
        rows.push(exactRow(logits, texts.runIds[position + 1]));
      });
    });
    return new SharingTrial(model, texts, { states, rows, means });
  }

  /** What `pairs` do; `wanted` says which of both is run, the other is NaN. */
  async effect(
    pairs: readonly SharedLayer[],
    wanted: WantedEffect,
  ): Promise<SharingEffect> {
    const { pieces, runIds } = this.#texts;
    return await withSharedLayers(this.#model, pairs, async (shared) => {
      let [cosine, kl] = [NaN, NaN];
      await withTextRuns(shared, this.#texts.runIds.length, async (run) => {
        if (wanted === "cosine") {
          const cosines: number[] = [];
          for (const [index, piece] of pieces.entries()) {
            cosines.push(cosineOf(this.#states[index], await run.states(piece)));
          }
          cosine = cosines.reduce((sum, own) => sum + own, 0) / cosines.length;
        }
        if (wanted === "kl") {
          const divergence = new Divergence();
          await run.logits(runIds, FROM, (position, logits) => {
            divergence.add(this.#rows[position - FROM], logits, runIds[position + 1]);
          });
          kl = divergence.summary().klMean;
        }
      });
      return { cosine, kl };
    });
  }
}

/** Of all states of a piece as one vector. */
export function cosineOf(a: Float32Array, b: Float32Array): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return dot / Math.sqrt(aa * bb);
}
