/**
 * Free running: continuations of prompts, greedy and with a seed, by every profile. Teacher forcing
 * reads the text as it was; here what a codec changes is fed again, so that errors can add up.
 * Compared with the exact cache's continuation of the same prompt: where they part, how likely each
 * is under the exact cache, and how much each repeats itself.
 *
 * @module
 */

import { EXACT } from "../codecs.ts";
import { type Interval, interval } from "../interval.ts";
import type { Engine, EngineOptions } from "../../engine/types.ts";
import type { ProfileOptions } from "../../codec/profile_types.ts";
import { repeatedShare, sharedCount } from "./measures.ts";

/** How next tokens are chosen. */
export type ContinuationMode = "greedy" | "seeded";

/** Temperature of seeded continuations. */
const SEEDED = { temperature: 1, topP: 0.95 };

/** What to run. */
export interface ContinuationPlan {
  textName: string;
  /** Prompts of token ids. */
  prompts: readonly (readonly number[])[];
  /** Tokens of a continuation. */
  length: number;
  /** Of the first prompt's random numbers; each prompt has one more than the one before. */
  seed: number;
  profiles: readonly { name: string; profile: ProfileOptions }[];
}

/** How to go about it. */
export interface ContinuationOptions {
  /** Makes an engine of the model with a profile. */
  createEngine: (options: Pick<EngineOptions, "profile">) => Promise<Engine>;
  onProgress?: (message: string, share: number) => void;
}

/** Means over prompts, with intervals of 95%; names as printed. */
export interface ContinuationScore {
  /** Tokens before the first that is another than the exact cache's. */
  shared_tokens: Interval;
  /** Prompts whose continuation is the exact cache's to the end. */
  same: number;
  /** Mean log-probability of a token under the exact cache, in nats. */
  log_prob: Interval;
  /** Share of its runs of four tokens that stand in it before. */
  repetition: Interval;
  /** Differences to the exact cache's continuations, prompt by prompt. */
  against_exact: { log_prob: Interval; repetition: Interval };
}

/** What one profile does in one mode. */
export interface ContinuationReport {
  kind: "continuations";
  codec: string;
  mode: ContinuationMode;
  text: string;
  prompts: number;
  prompt_tokens: number;
  tokens: number;
  seed: number;
  score: ContinuationScore;
}

/** A continuation and how likely each of its tokens is under the exact cache. */
interface Continuation {
  ids: readonly number[];
  logProb: number;
}

const EXACT_PROFILE: ProfileOptions = { name: "exact" };

const MODES: readonly ContinuationMode[] = ["greedy", "seeded"];

/** Continues every prompt with the exact cache and with every profile. */
export async function evaluateContinuations(
  plan: ContinuationPlan,
  options: ContinuationOptions,
): Promise<ContinuationReport[]> {
  const others = plan.profiles.filter(({ name }) => name !== EXACT.name);
  const exact = { name: EXACT.name, profile: EXACT_PROFILE };
  const profiles = [exact, ...others];
  const texts = new Map<string, readonly number[][][]>();
  for (const [index, { name, profile }] of profiles.entries()) {
    const share = index / (profiles.length + 1);
    texts.set(
      name,
      await withEngine(
        options,
        profile,
        (engine) =>
          Promise.all(
            MODES.map((mode) =>
              Promise.all(plan.prompts.map((_, at) => continuation(engine, plan, { mode, at })))
            ),
          ),
        { name, share },
      ),
    );
  }
  const share = profiles.length / (profiles.length + 1);
  return await withEngine(options, EXACT_PROFILE, async (engine) => {
    const reports: ContinuationReport[] = [];
    for (const [modeIndex, mode] of MODES.entries()) {
      const scored = new Map<string, Continuation[]>();
      for (const { name } of profiles) {
        const own = texts.get(name)![modeIndex];
        scored.set(
          name,
          await Promise.all(own.map(async (ids, at) => ({
            ids,
            logProb: await meanLogProb(engine, plan.prompts[at], ids),
          }))),
        );
      }
      for (const { name } of profiles) {
        reports.push(report(plan, { codec: name, mode, scored }));
      }
    }
    return reports;
  }, { name: "log-probabilities by exact", share });
}

async function withEngine<T>(
  { createEngine, onProgress = () => {} }: ContinuationOptions,
  profile: ProfileOptions,
  run: (engine: Engine) => Promise<T>,
  { name, share }: { name: string; share: number },
): Promise<T> {
  onProgress(name, share);
  const engine = await createEngine({ profile });
  try {
    return await run(engine);
  } finally {
    await engine.close();
  }
}

async function continuation(
  engine: Engine,
  { prompts, length, seed }: ContinuationPlan,
  { mode, at }: { mode: ContinuationMode; at: number },
): Promise<number[]> {
  const sampling = mode === "greedy" ? {} : { ...SEEDED, seed: seed + at };
  const ids: number[] = [];
  const request = { promptIds: prompts[at], maxTokens: length, ignoreEos: true, sampling };
  for await (const event of engine.generate(request)) {
    if (event.type === "token") ids.push(event.id);
  }
  return ids;
}

/** Of a token of a continuation, in nats. */
async function meanLogProb(
  engine: Engine,
  prompt: readonly number[],
  ids: readonly number[],
): Promise<number> {
  const request = { promptIds: [...prompt, ...ids], maxTokens: 0, promptLogprobs: 0 };
  let sum = 0;
  for await (const event of engine.generate(request)) {
    if (event.type !== "prompt_logprobs") continue;
    event.entries.forEach(({ logprob }, index) => {
      if (event.position + index >= prompt.length) sum += logprob;
    });
  }
  return sum / ids.length;
}

function report(
  plan: ContinuationPlan,
  { codec, mode, scored }: {
    codec: string;
    mode: ContinuationMode;
    scored: ReadonlyMap<string, readonly Continuation[]>;
  },
): ContinuationReport {
  const [own, exact] = [scored.get(codec)!, scored.get(EXACT.name)!];
  const shared = own.map(({ ids }, at) => sharedCount(ids, exact[at].ids));
  const repetition = own.map(({ ids }) => repeatedShare(ids));
  const differences = (values: readonly number[], others: readonly number[]) =>
    interval(values.map((value, at) => value - others[at]));
  return {
    kind: "continuations",
    codec,
    mode,
    text: plan.textName,
    prompts: plan.prompts.length,
    prompt_tokens: plan.prompts[0].length,
    tokens: plan.length,
    seed: plan.seed,
    score: {
      shared_tokens: interval(shared),
      same: shared.filter((count) => count === plan.length).length,
      log_prob: interval(own.map(({ logProb }) => logProb)),
      repetition: interval(repetition),
      against_exact: {
        log_prob: differences(own.map((each) => each.logProb), exact.map((each) => each.logProb)),
        repetition: differences(repetition, exact.map(({ ids }) => repeatedShare(ids))),
      },
    },
  };
}
