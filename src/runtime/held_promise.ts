/**
 * How much finer steps must be on a model for `near-lossless` to hold what it promises. Steps are
 * in units of a score and of a token's V, and what an error of so much does to the next token
 * depends on the model: where attention is spread over many tokens, or the distribution is flat, it
 * is more. So the profile is tried on a text and its steps made finer until it holds.
 * `decisions/47_promises_are_measured.md`.
 *
 * @module
 */

import { logSumExp } from "../core/log_sum_exp.ts";
import type { Calibration } from "../calibration/calibration.ts";
import { promisedDivergence } from "../calibration/promise.ts";
import type { CodecProfile } from "../codec/profile_types.ts";
import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import type { LoadedModel, OnProgress } from "./load_model.ts";
import { createSequenceRun } from "./sequence_run.ts";
import type { ProfileOptions } from "./types.ts";

/** Most tokens of the text that are read. */
const TOKEN_COUNT_MAX = 512;
/** Fewest: of 256 a block is packed for the last 64, which are compared. */
const TOKEN_COUNT_MIN = 256;
/** Share of the promise that is enough here, since other texts and longer ones do more. */
const ENOUGH = 0.4;
/** Share that finer steps aim at: one trial then mostly suffices. */
const AIM = 0.25;
/** Factors are powers of this, so that other devices, with other roundings, find the same. */
const FACTOR_BASE = 2 ** -0.25;
const FACTOR_MIN = 1 / 16;
const TRIAL_COUNT_MAX = 5;
/**
 * Finer steps that leave more than this of the divergence are not worth their bytes: what is left
 * is of choices that any error turns, as those of experts.
 */
const GAIN_MIN = 0.8;

/** Whether a profile promises what a calibration does not say how to hold. */
export function needsPromise(profile: CodecProfile, calibration: Calibration): boolean {
  return calibration.stepFactor === undefined && promisedDivergence(profile) !== null;
}

/**
 * Measures by which factor on the steps a profile holds its promise.
 *
 * @param ids Tokens of a text: the first 512 are read. Fewer than 256 show nothing.
 * @returns The calibration with that factor, or as it was.
 */
export async function withPromise(
  model: LoadedModel,
  given: { calibration: Calibration; profile: CodecProfile; ids: readonly number[] },
  onProgress: OnProgress,
): Promise<Calibration> {
  const { calibration, profile } = given;
  const promised = promisedDivergence(profile);
  const { contextLengthTrained, layerCount } = model.shape;
  const available = Math.min(given.ids.length, TOKEN_COUNT_MAX, contextLengthTrained);
  const tokenCount = available - available % BLOCK_TOKEN_COUNT;
  if (promised === null || tokenCount < TOKEN_COUNT_MIN || layerCount === 0) return calibration;
  const ids = given.ids.slice(0, tokenCount);
  let trial = 0;
  const run = async (name: ProfileOptions["name"], stepFactor: number) => {
    onProgress(`trying ${name} on the model`, trial++ / (TRIAL_COUNT_MAX + 1));
    return await lastLogits(model, ids, { name }, { ...calibration, stepFactor });
  };
  const exact = await run("exact", 1);
  let best = { stepFactor: 1, divergence: Infinity };
  for (let stepFactor = 1; trial <= TRIAL_COUNT_MAX;) {
    const divergence = meanDivergence(exact, await run(profile.name, stepFactor));
    // Logits that are no numbers show nothing.
    if (!(divergence <= GAIN_MIN * best.divergence)) break;
    best = { stepFactor, divergence };
    if (divergence <= ENOUGH * promised || stepFactor <= FACTOR_MIN) break;
    // Divergence goes with the square of the steps.
    const share = AIM * promised / divergence;
    stepFactor = Math.max(FACTOR_MIN, ladder(stepFactor * Math.sqrt(share)));
  }
  return { ...calibration, stepFactor: best.stepFactor };
}

/** The power of {@link FACTOR_BASE} that is not above a factor, as a file keeps it. */
function ladder(factor: number): number {
  const power = FACTOR_BASE ** Math.ceil(Math.log(factor) / Math.log(FACTOR_BASE) - 1e-6);
  return Math.round(power * 1024) / 1024;
}

/** Logits f32 `[vocabSize]` of the last 64 tokens. */
async function lastLogits(
  model: LoadedModel,
  promptIds: readonly number[],
  profile: ProfileOptions,
  calibration: Calibration,
): Promise<Float32Array[]> {
  const run = await createSequenceRun(model, { profile, promptIds, calibration });
  try {
    const last = promptIds.length - BLOCK_TOKEN_COUNT;
    for (let position = 0; position < last; position += BLOCK_TOKEN_COUNT) {
      await run.nextSlice({ wantsLogits: false });
    }
    return await run.nextSlice({ wantsLogits: true });
  } finally {
    run.destroy();
  }
}

/**
 * Mean over rows of the Kullback-Leibler divergence of the distributions of `logits` from those of
 * `exact`, in nats.
 */
export function meanDivergence(
  exact: readonly Float32Array[],
  logits: readonly Float32Array[],
): number {
  const sum = exact.reduce((total, row, index) => total + divergence(row, logits[index]), 0);
  return sum / exact.length;
}

function divergence(exact: Float32Array, other: Float32Array): number {
  const [exactSum, otherSum] = [exact, other].map((logits) => logSumExp(logits).logSum);
  let sum = 0;
  for (let id = 0; id < exact.length; id++) {
    const logProbability = exact[id] - exactSum;
    sum += Math.exp(logProbability) * (logProbability - (other[id] - otherSum));
  }
  return sum;
}
