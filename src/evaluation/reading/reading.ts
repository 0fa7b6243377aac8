/**
 * What reading a part of the blocks does to the model: a text is read through a cache once, and
 * tokens behind it are decoded with each method in turn, over the same blocks. They are compared
 * with decoding that reads everything, so that what the codec does is in neither.
 *
 * @module
 */

import { logSumExp } from "../../core/log_sum_exp.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { ReadMethod } from "../../runtime/read_method.ts";
import type { LoadedModel, OnProgress } from "../../runtime/load_model.ts";
import { createSequenceRun, type SequenceRun } from "../../runtime/sequence_run.ts";
import { describeCodec, type EvalCodec, runOptions } from "../codecs.ts";
import { Divergence } from "../divergence.ts";
import { exactRow } from "../exact_row.ts";
import type { RetrievalTask } from "../retrieval/cases.ts";
import { checkTask } from "../retrieval/retrieval.ts";
import {
  addFetches,
  type FetchCounts,
  type HostValues,
  hostValues,
  noFetches,
} from "./value_fetches.ts";

/** A text as token ids: one more than the context at least. */
export interface ReadText {
  name: string;
  ids: readonly number[];
}

/** What to measure. */
export interface ReadingPlan {
  codec: EvalCodec;
  methods: readonly ReadMethod[];
  texts: readonly ReadText[];
  /** Tokens of each text before the last that is compared: a multiple of 64. */
  contextLength: number;
  /** Blocks of 64 tokens at the end of the context that are compared. */
  blockCount: number;
}

/** What one method does; names as printed. */
export interface ReadingReport {
  kind: "reading";
  texts: string[];
  profile: string;
  model: string;
  read: string;
  /** Of the context. */
  tokens: number;
  /** Tokens read of those that could be, in a layer that chooses. */
  share: number;
  positions: number;
  kl_mean: number;
  kl_p99: number;
  same_top: number;
  perplexity: number;
  perplexity_all: number;
  /** For methods that read a share of the attention: what values in host memory come to. */
  host_values?: HostValues;
}

/**
 * Decodes tokens of the texts with each method.
 *
 * @throws {RangeError} If a text is too short, or a method needs raw keys and the codec packs them.
 */
export async function evaluateReading(
  model: LoadedModel,
  plan: ReadingPlan,
  onProgress: OnProgress = () => {},
): Promise<ReadingReport[]> {
  const { codec, methods, texts, contextLength } = plan;
  for (const { name, ids } of texts) {
    if (ids.length > contextLength) continue;
    throw new RangeError(
      `Cannot read ${contextLength} tokens: ${name} has ${ids.length}, and one more is needed`,
    );
  }
  const reports: ReadingReport[] = [];
  for (const group of runGroups(methods)) {
    const sums = group.map((): MethodSum => ({
      divergence: new Divergence(),
      readable: 0,
      read: 0,
      fetches: noFetches(),
    }));
    let sizes: Parameters<typeof hostValues>[1] | null = null;
    for (const { name, ids } of texts) {
      const options = { codec, method: group[0], promptIds: ids.slice(0, contextLength) };
      await withRun(model, options, onProgress, async (run) => {
        const first = contextLength - plan.blockCount * BLOCK_TOKEN_COUNT;
        for (let position = 0; position < contextLength; position += BLOCK_TOKEN_COUNT) {
          const place = `${name}, ${group[0].id}: ${position} of ${contextLength} tokens`;
          onProgress(place, position / contextLength);
          await run.nextSlice({ wantsLogits: false });
          if (position >= first) {
            await compare(run, { fed: ids.slice(position, position + 65), group, sums });
          }
        }
        const denseShare = 1 - run.choosing.stores.length / run.sealedLayerCount;
        sizes = { bytes: run.sideBytes(), denseShare };
      });
    }
    for (const [index, { id, share }] of group.entries()) {
      const { divergence, readable, read, fetches } = sums[index];
      const own = divergence.summary();
      reports.push({
        kind: "reading",
        texts: texts.map(({ name }) => name),
        profile: describeCodec(codec),
        model: model.shape.name,
        read: id,
        tokens: contextLength,
        share: read / readable,
        positions: own.positionCount,
        kl_mean: own.klMean,
        kl_p99: own.klPercentiles.p99,
        same_top: own.sameTop,
        perplexity: own.perplexity,
        perplexity_all: own.perplexityExact,
        ...(share === null || sizes === null ? {} : { host_values: hostValues(fetches, sizes) }),
      });
    }
  }
  return reports;
}

/** What one method finds again of documents; names as printed. */
export interface ReadRetrievalReport {
  kind: "read retrieval";
  profile: string;
  model: string;
  read: string;
  documents: number;
  /** Of a document. */
  tokens: number;
  share: number;
  cases: number;
  /** Share of cases of which every token was the most likely one, 0 to 1. */
  exact_match: number;
  /** Mean log-probability of an answer, in nats. */
  log_prob: number;
}

/** Asks every question of the tasks with each method, and with everything read. */
export async function evaluateReadRetrieval(
  model: LoadedModel,
  plan: Pick<ReadingPlan, "codec" | "methods"> & { tasks: readonly RetrievalTask[] },
  onProgress: OnProgress = () => {},
): Promise<ReadRetrievalReport[]> {
  const { codec, methods, tasks } = plan;
  for (const task of tasks) checkTask(model, task);
  const reports: ReadRetrievalReport[] = [];
  const groups = runGroups(methods);
  for (const [index, group] of groups.entries()) {
    const all = { ...group[0], id: "all", ...EVERYTHING };
    const asked = index === 0 ? [all, ...group] : group;
    const sums = asked.map((): AnswerSum => ({
      matches: 0,
      logProb: 0,
      cases: 0,
      readable: 0,
      read: 0,
    }));
    for (const [document, { documentIds, cases }] of tasks.entries()) {
      // The first question begins in the prompt: the others take the place of what is there.
      const promptIds = [...documentIds, ...cases[0].questionIds];
      const progress = (message: string, share: number) =>
        onProgress(
          `document ${document + 1}, ${message}`,
          (index + (document + share) / tasks.length) / groups.length,
        );
      await withRun(model, { codec, method: group[0], promptIds }, progress, async (run) => {
        for (let position = 0; position < promptIds.length; position += BLOCK_TOKEN_COUNT) {
          progress(`${group[0].id}: ${position} tokens`, 0.5 * position / promptIds.length);
          await run.nextSlice({ wantsLogits: false });
        }
        for (const [at, amount] of asked.entries()) {
          for (const [number, { questionIds, answerIds }] of cases.entries()) {
            progress(
              `${amount.id}: question ${number + 1} of ${cases.length}`,
              0.5 + 0.5 * (at + number / cases.length) / asked.length,
            );
            await ask(run, { questionIds, answerIds, amount, sum: sums[at] });
          }
        }
      });
    }
    for (const [index, { id }] of asked.entries()) {
      const { matches, logProb, cases, readable, read } = sums[index];
      reports.push({
        kind: "read retrieval",
        profile: describeCodec(codec),
        model: model.shape.name,
        read: id,
        documents: tasks.length,
        tokens: tasks[0].documentIds.length,
        share: read / readable,
        cases,
        exact_match: matches / cases,
        log_prob: logProb / cases,
      });
    }
  }
  return reports;
}

/** What a method found so far. */
interface AnswerSum {
  matches: number;
  logProb: number;
  cases: number;
  readable: number;
  read: number;
}

/** Feeds a question with its answer where the last slice ended. */
async function ask(
  run: SequenceRun,
  { questionIds, answerIds, amount, sum }:
    & Pick<RetrievalTask["cases"][number], "questionIds" | "answerIds">
    & { amount: Amount; sum: AnswerSum },
): Promise<void> {
  const fed = [...questionIds, ...answerIds.slice(0, -1)];
  const { logits, readable, read } = await decode(run, fed, amount);
  const answers = answerIds.map((id, index) => {
    const row = logits[questionIds.length - 1 + index];
    const { logSum, topId } = logSumExp(row);
    return { isMatch: topId === id, logProb: row[id] - logSum };
  });
  sum.cases++;
  sum.matches += Number(answers.every(({ isMatch }) => isMatch));
  sum.logProb += answers.reduce((total, { logProb }) => total + logProb, 0);
  sum.readable += readable;
  sum.read += read;
}

/** Methods that one run can measure in turn: those that score blocks alike in the same layers. */
function runGroups(methods: readonly ReadMethod[]): ReadMethod[][] {
  const groups = new Map<string, ReadMethod[]>();
  for (const method of methods) {
    const { kind, scoredBy, share, denseLayerCount } = method;
    const key = [kind, scoredBy, share === null, denseLayerCount].join();
    groups.set(key, [...groups.get(key) ?? [], method]);
  }
  return [...groups.values()];
}

async function withRun(
  model: LoadedModel,
  { codec, method, promptIds }: {
    codec: EvalCodec;
    method: ReadMethod;
    promptIds: readonly number[];
  },
  onProgress: OnProgress,
  use: (run: SequenceRun) => Promise<void>,
): Promise<void> {
  const run = await createSequenceRun(model, {
    promptIds,
    maxTokens: 2,
    read: method,
    decodeRowCount: BLOCK_TOKEN_COUNT,
    ...await runOptions(codec, model, onProgress),
  });
  try {
    await use(run);
  } finally {
    run.destroy();
  }
}

/** What a method did so far. */
interface MethodSum {
  divergence: Divergence;
  readable: number;
  read: number;
  fetches: FetchCounts;
}

/** Decodes the tokens of the last slice with each method and with everything read. */
async function compare(
  run: SequenceRun,
  { fed, group, sums }: {
    /** Tokens to feed, and one that follows. */
    fed: readonly number[];
    group: readonly ReadMethod[];
    sums: readonly MethodSum[];
  },
): Promise<void> {
  const ids = fed.slice(0, -1);
  const decoded = [];
  for (const amount of group) decoded.push(await decode(run, ids, amount));
  // Last: the keys and values that it leaves in the window are those that later tokens read.
  const { logits: all } = await decode(run, ids, EVERYTHING);
  const rows = all.map((logits, index) => exactRow(logits, fed[index + 1]));
  for (const [index, { logits, readable, read, fetches }] of decoded.entries()) {
    const sum = sums[index];
    sum.readable += readable;
    sum.read += read;
    sum.fetches = added(sum.fetches, fetches);
    logits.forEach((own, at) => sum.divergence.add(rows[at], own, fed[at + 1]));
  }
}

/** How much is read. */
type Amount = Pick<ReadMethod, "blockCount" | "share">;

/** What is read of everything. */
const EVERYTHING = { blockCount: Infinity, share: null } as const;

/** Decodes tokens in the place of those of the last slice. */
async function decode(run: SequenceRun, ids: readonly number[], amount: Amount) {
  run.setRead(amount);
  const before = { ...run.readCounts };
  const logits = await run.decodeRows(ids, { from: "last slice" });
  const after = run.readCounts;
  const readable = after.readableTokenCount - before.readableTokenCount;
  const read = after.readTokenCount - before.readTokenCount;
  const fetches = noFetches();
  const sets = await run.chosenSets();
  if (sets === null) return { logits, readable, read, fetches };
  const { choosing } = run;
  addFetches(fetches, { sets, ...choosing, rowCount: ids.length });
  // Counted where they are read: the mean over stores and KV heads is left out.
  const leftOut = (fetches.readable - fetches.chosen) /
    (choosing.stores.length * choosing.kvHeadCount);
  return { logits, readable, read: read - leftOut * BLOCK_TOKEN_COUNT, fetches };
}

function added(a: FetchCounts, b: FetchCounts): FetchCounts {
  return {
    chosen: a.chosen + b.chosen,
    readable: a.readable + b.readable,
    fetched: a.fetched + b.fetched,
    followingRows: a.followingRows + b.followingRows,
  };
}
