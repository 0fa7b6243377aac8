/**
 * Quality and size of codecs of the KV cache on texts: teacher-forced, each token read from the
 * cache in the state it would have in decode, compared with the exact cache position by position.
 *
 * The exact cache runs once per text; the distributions it gives go to a file, in 16 bits per
 * token, and every codec's run is compared with them as it goes. So memory holds one run at a time,
 * whatever the length.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import type { LoadedModel } from "../runtime/load_model.ts";
import { createSequenceRun, type SequenceRun } from "../runtime/sequence_run.ts";
import { describeInForce, type EvalCodec, EXACT, runOptions } from "./codecs.ts";
import { Divergence } from "./divergence.ts";
import { exactRow, ExactRowFile } from "./exact_row.ts";
import {
  type BesideSize,
  besideSize,
  type CacheSize,
  cacheSize,
  contextReport,
  type EvalReport,
  evalReport,
  type WorstToken,
} from "./report.ts";
import { EvalState, fileIdentity, idsDigest } from "./state.ts";

/** Tokens that reports quote before the worst one. */
const QUOTED_TOKEN_COUNT = 16;

/** A text as token ids: at least one more than the longest context. */
export interface EvalText {
  name: string;
  ids: readonly number[];
  /** What some ids say, for reports that quote the text; they quote nothing if left out. */
  quote?: (ids: readonly number[]) => string;
}

/** What to measure. */
export interface EvalPlan {
  texts: readonly EvalText[];
  codecs: readonly EvalCodec[];
  /** Lengths to report, ascending: each counts the positions fed from the start of the text. */
  contexts: readonly number[];
  /** First position whose prediction is compared. */
  from: number;
  /** Of so many blocks of 64 positions one is compared, since a large vocabulary takes long; 1. */
  every?: number;
}

/** How to go about it. */
export interface EvalOptions {
  /** Folder that keeps what is done, so that a cut run can go on; none if left out. */
  stateFolder?: string;
  onProgress?: (message: string, fraction: number) => void;
  /** Called with each report as it is made, not with those of an earlier run. */
  onReport?: (report: EvalReport) => void;
}

/**
 * Runs each text through the exact cache and then through each codec.
 *
 * @returns By text, then by codec.
 * @throws {RangeError} If the plan does not fit its texts or the model, or the state is another's.
 */
export async function evaluate(
  model: LoadedModel,
  plan: EvalPlan,
  options: EvalOptions = {},
): Promise<EvalReport[]> {
  checkPlan(model, plan);
  const words = await describeInForce(plan.codecs, model, options.onProgress ?? (() => {}));
  const state = await EvalState.open<EvalReport>(options.stateFolder ?? null, {
    model: await fileIdentity(model.file.path, model.shape.name),
    texts: plan.texts.map(({ name, ids }) => `${name}, sha256 ${idsDigest(usedIds(ids, plan))}`),
    codecs: [...words.values()],
    contexts: plan.contexts,
    from: plan.from,
    ...((plan.every ?? 1) === 1 ? {} : { every: plan.every }),
  });
  try {
    const evaluation = new Evaluation(model, plan, { state, options, words });
    for (const text of plan.texts) await evaluation.runText(text);
    return plan.texts.flatMap(({ name }) =>
      plan.codecs.map((codec) => state.report(name, codec.name)!)
    );
  } finally {
    await state.close();
  }
}

function usedIds(ids: readonly number[], { contexts }: EvalPlan): readonly number[] {
  return ids.slice(0, contexts[contexts.length - 1] + 1);
}

class Evaluation {
  #model: LoadedModel;
  #plan: EvalPlan;
  #state: EvalState<EvalReport>;
  #options: EvalOptions;
  /** Codecs in words, by name. */
  #words: ReadonlyMap<string, string>;
  /** Runs of a text through a cache, finished or not needed. */
  #doneCount = 0;

  constructor(
    model: LoadedModel,
    plan: EvalPlan,
    parts: {
      state: EvalState<EvalReport>;
      options: EvalOptions;
      words: ReadonlyMap<string, string>;
    },
  ) {
    this.#model = model;
    this.#plan = plan;
    this.#state = parts.state;
    this.#options = parts.options;
    this.#words = parts.words;
  }

  async runText(text: EvalText): Promise<void> {
    const { codecs } = this.#plan;
    const pending = codecs.filter(({ name }) => this.#state.report(text.name, name) === null);
    this.#doneCount += codecs.length - pending.length;
    if (pending.length > 0 && !await this.#state.hasExact(text.name)) await this.#runExact(text);
    this.#doneCount++;
    for (const codec of pending) {
      const report = await this.#runCodec(text, codec);
      await this.#model.gpu.throwIfFailedByNow();
      await this.#state.addReport(report);
      this.#options.onReport?.(report);
      this.#doneCount++;
    }
    if (pending.length > 0) await this.#state.dropExact(text.name);
  }

  async #runExact(text: EvalText): Promise<void> {
    const { vocabSize } = this.#model.shape;
    const path = this.#state.exactPath(text.name);
    const rows = new ExactRowFile(path, { vocabSize, isNew: true });
    let index = 0;
    try {
      await this.#run(text, EXACT, {
        onLogits(position, logits) {
          rows.write(index++, exactRow(logits, text.ids[position + 1]));
        },
      });
    } finally {
      rows.close();
    }
    await this.#model.gpu.throwIfFailedByNow();
    await this.#state.addExact(text.name);
  }

  async #runCodec(text: EvalText, codec: EvalCodec): Promise<EvalReport> {
    const { from, contexts } = this.#plan;
    const { vocabSize } = this.#model.shape;
    const path = this.#state.exactPath(text.name);
    const rows = new ExactRowFile(path, { vocabSize, isNew: false });
    const divergence = new Divergence();
    let index = 0;
    try {
      const positions: number[] = [];
      const sizes = await this.#run(text, codec, {
        onLogits(position, logits) {
          positions.push(position);
          divergence.add(rows.read(index++), logits, text.ids[position + 1]);
        },
      });
      return evalReport(this.#model, {
        text: text.name,
        codec,
        words: this.#words.get(codec.name)!,
        from,
        sizes: sizes.beside,
        worst: this.#worst(text, divergence, positions),
        contexts: contexts.map((tokens, index) =>
          contextReport(
            tokens,
            divergence.summary(comparedCount(tokens, this.#plan)),
            sizes.ofContexts[index],
          )
        ),
      });
    } finally {
      rows.close();
    }
  }

  /** The position whose prediction suffers most, with the words before it and the one after. */
  #worst(text: EvalText, divergence: Divergence, positions: readonly number[]): WorstToken {
    const { index, kl } = divergence.worst();
    const position = positions[index];
    const quoted = (from: number, to: number) => text.quote?.(text.ids.slice(from, to)) ?? null;
    return {
      position,
      kl,
      before: quoted(Math.max(0, position + 1 - QUOTED_TOKEN_COUNT), position + 1),
      next: quoted(position + 1, position + 2),
    };
  }

  /** Feeds a text through a cache; sizes are taken at the end of each context. */
  async #run(
    { name, ids }: EvalText,
    codec: EvalCodec,
    { onLogits }: { onLogits: (position: number, logits: Float32Array) => void },
  ): Promise<{ ofContexts: CacheSize[]; beside: BesideSize }> {
    const { contexts } = this.#plan;
    const tokenCount = contexts[contexts.length - 1];
    const promptIds = ids.slice(0, tokenCount);
    const codecOptions = await runOptions(codec, this.#model, (message, share) => {
      this.#progress(`${codec.name}: ${message}`, { share });
    });
    const options = { promptIds, ...codecOptions };
    const run = await createSequenceRun(this.#model, options);
    const ofContexts: CacheSize[] = [];
    try {
      for (let position = 0; position < tokenCount;) {
        this.#progress(`${name}, ${codec.name}: ${position} of ${tokenCount} tokens`, {
          share: position / tokenCount,
        });
        position += await feedSlice(run, { position, tokenCount, plan: this.#plan, onLogits });
        while (ofContexts.length < contexts.length && contexts[ofContexts.length] <= position) {
          ofContexts.push(cacheSize(run, codec));
        }
      }
      return { ofContexts, beside: besideSize(run) };
    } finally {
      run.destroy();
    }
  }

  #progress(message: string, { share }: { share: number }): void {
    const { texts, codecs } = this.#plan;
    const runCount = texts.length * (codecs.length + 1);
    this.#options.onProgress?.(message, (this.#doneCount + share) / runCount);
  }
}

/** Feeds the next slice; returns how many positions it had. */
async function feedSlice(
  run: SequenceRun,
  at: {
    position: number;
    tokenCount: number;
    plan: EvalPlan;
    onLogits: (position: number, logits: Float32Array) => void;
  },
): Promise<number> {
  const { position, tokenCount, plan, onLogits } = at;
  const rowCount = Math.min(BLOCK_TOKEN_COUNT, tokenCount - position);
  const wantsLogits = isCompared(position + rowCount - 1, plan);
  const rows = await run.nextSlice({ wantsLogits });
  for (const [row, logits] of rows.entries()) {
    if (isCompared(position + row, plan)) onLogits(position + row, logits);
  }
  return rowCount;
}

/** Slices are blocks, so that the rows of one that are from `from` on are all compared, or none. */
function isCompared(position: number, { from, every = 1 }: EvalPlan): boolean {
  return position >= from && Math.floor(position / BLOCK_TOKEN_COUNT) % every === 0;
}

/** Positions before `tokens` that are compared. */
function comparedCount(tokens: number, plan: EvalPlan): number {
  let count = 0;
  for (let position = plan.from; position < tokens; position++) {
    if (isCompared(position, plan)) count++;
  }
  return count;
}

function checkPlan({ shape }: LoadedModel, plan: EvalPlan): void {
  const { texts, codecs, contexts, from } = plan;
  const tokenCount = contexts[contexts.length - 1];
  for (const { name, ids } of texts) {
    if (ids.length > tokenCount) continue;
    throw new RangeError(
      `Cannot evaluate ${tokenCount} tokens: ${name} has ${ids.length}; one more is needed`,
    );
  }
  if (tokenCount > shape.contextLengthTrained) {
    throw new RangeError(
      `Cannot evaluate ${tokenCount} tokens: the model was trained for a context of ` +
        `${shape.contextLengthTrained}`,
    );
  }
  if (!contexts.every((tokens, index) => tokens > (contexts[index - 1] ?? 0))) {
    throw new RangeError(`Cannot evaluate contexts ${contexts.join(", ")}: must be ascending`);
  }
  if (!(from >= 0 && from < contexts[0])) {
    throw new RangeError(
      `Cannot evaluate from ${from}: must be less than the shortest context, ${contexts[0]}`,
    );
  }
  if (comparedCount(contexts[0], plan) === 0) {
    throw new RangeError(
      `Cannot evaluate ${contexts[0]} tokens from ${plan.from}: of every ${plan.every} blocks of ` +
        `${BLOCK_TOKEN_COUNT} positions the first is compared, and there is none`,
    );
  }
  for (const names of [texts.map(({ name }) => name), codecs.map(({ name }) => name)]) {
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice) throw new RangeError(`Cannot evaluate ${twice} twice`);
  }
}
