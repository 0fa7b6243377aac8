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
import { EvalState } from "../state.ts";
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
  /** Prompts that are continued at a time, as many as the engine runs; 8 if left out. */
  sequenceCount?: number;
  /** What was done before a cut, of the same plan; everything is still to be done if left out. */
  state?: EvalState<ContinuationResult>;
  onProgress?: (message: string, share: number) => void;
}

const SEQUENCE_COUNT_DEFAULT = 8;

/** What a state keeps: a continuation, or under its {@link scoreName} how likely it is. */
export interface ContinuationResult {
  /** Of the prompt with the mode. */
  text: string;
  codec: string;
  ids?: readonly number[];
  /** Mean of its tokens under the exact cache, in nats. */
  log_prob?: number;
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

const taskName = (at: number, mode: ContinuationMode) => `prompt ${at + 1}, ${mode}`;

const scoreName = (codec: string) => `${codec}, under exact`;

/** Continues every prompt with the exact cache and with every profile. */
export async function evaluateContinuations(
  plan: ContinuationPlan,
  options: ContinuationOptions,
): Promise<ContinuationReport[]> {
  const others = plan.profiles.filter(({ name }) => name !== EXACT.name);
  const profiles = [{ name: EXACT.name, profile: EXACT_PROFILE }, ...others];
  const state = options.state ?? await EvalState.open<ContinuationResult>(null, NO_IDENTITY);
  const continuations = new Continuations(plan, { ...options, state });
  try {
    const passCount = profiles.length + 1;
    for (const [pass, each] of profiles.entries()) {
      await continuations.write(each, { pass, passCount });
    }
    const names = profiles.map(({ name }) => name);
    await continuations.score(names, { pass: profiles.length, passCount });
    return MODES.flatMap((mode) => {
      const scored = new Map(names.map((name) => [name, continuations.of(name, mode)]));
      return names.map((codec) => report(plan, { codec, mode, scored }));
    });
  } finally {
    await state.close();
  }
}

/** Of a state that nothing goes on from. */
const NO_IDENTITY = { model: "", texts: [], codecs: [], contexts: [], from: 0 };

/** One of the passes through all prompts. */
interface Pass {
  pass: number;
  passCount: number;
}

/** What is written and scored so far. */
class Continuations {
  readonly #plan: ContinuationPlan;
  readonly #options: ContinuationOptions;
  readonly #state: EvalState<ContinuationResult>;

  constructor(
    plan: ContinuationPlan,
    options: ContinuationOptions & { state: EvalState<ContinuationResult> },
  ) {
    this.#plan = plan;
    this.#options = options;
    this.#state = options.state;
  }

  /** Continues the prompts with a profile; the second time a prompt is read it is in the cache. */
  async write(
    { name, profile }: ContinuationPlan["profiles"][number],
    pass: Pass,
  ): Promise<void> {
    const missing = (at: number) => this.#missing(at, name);
    await this.#eachPrompt({ profile, ...pass, what: name, missing }, async (engine, at, tick) => {
      for (const mode of missing(at)) {
        const ids = await continuation(engine, this.#plan, { mode, at });
        await this.#state.addReport({ text: taskName(at, mode), codec: name, ids });
        tick();
      }
    });
  }

  /** Asks the exact cache how likely each continuation is; the same ones once. */
  async score(names: readonly string[], pass: Pass): Promise<void> {
    const missing = (at: number) =>
      names.flatMap((name) => this.#missing(at, scoreName(name)).map((mode) => ({ name, mode })));
    const what = "log-probabilities by exact";
    const work = { profile: EXACT_PROFILE, ...pass, what, missing };
    await this.#eachPrompt(work, async (engine, at, tick) => {
      const known = new Map<string, number>();
      for (const { name, mode } of missing(at)) {
        const ids = this.#ids(at, mode, name);
        const key = ids.join();
        const logProb = known.get(key) ?? await meanLogProb(engine, this.#plan.prompts[at], ids);
        known.set(key, logProb);
        const text = taskName(at, mode);
        await this.#state.addReport({ text, codec: scoreName(name), log_prob: logProb });
        tick();
      }
    });
  }

  /** All continuations of a codec, by prompt. */
  of(codec: string, mode: ContinuationMode): Continuation[] {
    return this.#plan.prompts.map((_, at) => ({
      ids: this.#ids(at, mode, codec),
      logProb: this.#state.report(taskName(at, mode), scoreName(codec))!.log_prob!,
    }));
  }

  #ids(at: number, mode: ContinuationMode, codec: string): readonly number[] {
    return this.#state.report(taskName(at, mode), codec)!.ids!;
  }

  #missing(at: number, codec: string): ContinuationMode[] {
    return MODES.filter((mode) => this.#state.report(taskName(at, mode), codec) === null);
  }

  /** Runs prompts that miss something in an engine, as many at a time as it takes. */
  async #eachPrompt(
    { profile, pass, passCount, what, missing }: Pass & {
      profile: ProfileOptions;
      what: string;
      missing: (at: number) => readonly unknown[];
    },
    run: (engine: Engine, at: number, tick: () => void) => Promise<void>,
  ): Promise<void> {
    const { createEngine, onProgress = () => {} } = this.#options;
    const waiting = [...this.#plan.prompts.keys()].filter((at) => missing(at).length > 0);
    if (waiting.length === 0) return;
    const { sequenceCount = SEQUENCE_COUNT_DEFAULT } = this.#options;
    const taskCount = waiting.reduce((sum, at) => sum + missing(at).length, 0);
    let doneCount = 0;
    const tell = () => {
      const done = `${doneCount} of ${taskCount} continuations`;
      onProgress(`${what}: ${done}`, (pass + doneCount / taskCount) / passCount);
    };
    const tick = () => {
      doneCount++;
      tell();
    };
    tell();
    const engine = await createEngine({ profile });
    const takeTurns = async () => {
      for (let at = waiting.shift(); at !== undefined; at = waiting.shift()) {
        await run(engine, at, tick);
      }
    };
    try {
      await Promise.all(Array.from({ length: sequenceCount }, takeTurns));
    } finally {
      await engine.close();
    }
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
