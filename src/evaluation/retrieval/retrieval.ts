/**
 * Retrieval of codecs: a document is read through the cache, then every question about it is fed
 * from the same place, each over the one before. A row of a question reads every fact from the
 * sealed blocks, as a decoded token would.
 *
 * @module
 */

import { logSumExp } from "../../core/log_sum_exp.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { LoadedModel } from "../../runtime/load_model.ts";
import { createSequenceRun, type SequenceRun } from "../../runtime/sequence_run.ts";
import { describeInForce, type EvalCodec, runOptions } from "../codecs.ts";
import { cacheSize } from "../report.ts";
import { EvalState, fileIdentity, idsDigest } from "../state.ts";
import type { RetrievalCase, RetrievalKind, RetrievalTask } from "./cases.ts";

/** Scores of some cases. */
export interface RetrievalScore {
  cases: number;
  /** Share of cases of which every token was the most likely one, 0 to 1. */
  exact_match: number;
  /** Share of answer tokens that were. */
  token_match: number;
  /** Mean log-probability of an answer, in nats: the finer measure. */
  log_prob: number;
}

/** What one codec finds again; names as printed. */
export interface RetrievalReport {
  kind: "retrieval";
  text: string;
  codec: string;
  profile: string;
  model: string;
  form: RetrievalTask["form"];
  documents: number;
  /** Tokens of a document. */
  tokens: number;
  /** Of the first document; each has one more than the one before. */
  seed: number;
  /** f16 bytes of the sealed tokens over packed bytes, mean of the documents. */
  ratio: number;
  all: RetrievalScore;
  code: RetrievalScore;
  pair: RetrievalScore;
  /** By fifths of the document, from its start. */
  by_depth: RetrievalScore[];
}

/** What to measure. */
export interface RetrievalPlan {
  textName: string;
  /** Of the first task. */
  seed: number;
  /** One for each document, all of a length and form. */
  tasks: readonly RetrievalTask[];
  codecs: readonly EvalCodec[];
}

/** How to go about it. */
export interface RetrievalRunOptions {
  /** Folder that keeps what is done of each document: a cut run goes on. None if left out. */
  stateFolder?: string;
  onProgress?: (message: string, fraction: number) => void;
}

/** What one codec did with one document, as kept in the state. */
interface DocumentResult {
  text: string;
  codec: string;
  ratio: number;
  /** By case of the task. */
  results: CaseResult[];
}

/** What became of a question. */
export interface CaseResult {
  isMatch: boolean;
  matchCount: number;
  logProb: number;
}

const DEPTH_PART_COUNT = 5;

/**
 * Asks every question of a task with each codec.
 *
 * @throws {RangeError} If the document is no whole number of blocks, a question is longer than one,
 * both together are longer than the model's context, or the state is that of something else.
 */
export async function evaluateRetrieval(
  model: LoadedModel,
  plan: RetrievalPlan,
  options: RetrievalRunOptions = {},
): Promise<RetrievalReport[]> {
  const { tasks, textName, codecs, seed } = plan;
  for (const task of tasks) checkTask(model, task);
  const names = tasks.map((_, index) => `${textName}, seed ${seed + index}`);
  const words = await describeInForce(codecs, model, (message) => options.onProgress?.(message, 0));
  const state = await EvalState.open<DocumentResult>(options.stateFolder ?? null, {
    model: await fileIdentity(model.file.path, model.shape.name),
    texts: names.map((name, index) => `${name}, sha256 ${idsDigest(tasks[index].documentIds)}`),
    codecs: [...words.values()],
    contexts: tasks.map(({ documentIds }) => documentIds.length),
    from: tasks[0].cases.length,
  });
  try {
    for (const [index, codec] of codecs.entries()) {
      for (const [document, task] of tasks.entries()) {
        const text = names[document];
        if (state.report(text, codec.name) !== null) continue;
        const done = index + document / tasks.length;
        const progress = (message: string, share: number) =>
          options.onProgress?.(
            `${codec.name}: ${message}`,
            (done + share / tasks.length) / codecs.length,
          );
        const own = await runDocument(model, task, { codec, progress });
        await model.gpu.throwIfFailedByNow();
        await state.addReport({ text, codec: codec.name, ...own });
      }
    }
    return codecs.map(({ name }) => {
      const documents = names.map((text) => state.report(text, name)!);
      return makeReport(model, plan, { codec: name, words: words.get(name)!, documents });
    });
  } finally {
    await state.close();
  }
}

async function runDocument(
  model: LoadedModel,
  { documentIds, cases }: RetrievalTask,
  { codec, progress }: { codec: EvalCodec; progress: (message: string, share: number) => void },
): Promise<Pick<DocumentResult, "ratio" | "results">> {
  // The first question is part of the prompt, so that the step that begins it packs what the
  // document's last step measured; one more token is allowed, so that the sequence does not end.
  const promptIds = [...documentIds, ...fedIds(cases[0])];
  const run = await createSequenceRun(model, {
    promptIds,
    maxTokens: 2,
    ...await runOptions(codec, model, progress),
  });
  try {
    for (let position = 0; position < promptIds.length; position += BLOCK_TOKEN_COUNT) {
      progress(`${position} of ${documentIds.length} tokens`, 0.5 * position / promptIds.length);
      await run.nextSlice({ wantsLogits: false });
    }
    const results: CaseResult[] = [];
    for (const [index, own] of cases.entries()) {
      progress(`question ${index + 1} of ${cases.length}`, 0.5 + 0.5 * index / cases.length);
      results.push(await ask(run, own));
    }
    return { results, ratio: ratioOf(run, codec) };
  } finally {
    run.destroy();
  }
}

/** All tokens of a question and its answer but the last, which nothing follows. */
function fedIds({ questionIds, answerIds }: RetrievalCase): number[] {
  return [...questionIds, ...answerIds.slice(0, -1)];
}

/** Greedy decoding gives the answer if each of its tokens is the most likely after those before. */
async function ask(run: SequenceRun, own: RetrievalCase): Promise<CaseResult> {
  const logits = await run.feedAgain(fedIds(own));
  let matchCount = 0;
  let logProb = 0;
  for (const [index, id] of own.answerIds.entries()) {
    const row = logits[own.questionIds.length - 1 + index];
    const { logSum, topId } = logSumExp(row);
    if (topId === id) matchCount++;
    logProb += row[id] - logSum;
  }
  return { isMatch: matchCount === own.answerIds.length, matchCount, logProb };
}

function ratioOf(run: SequenceRun, codec: EvalCodec): number {
  const { bytes } = cacheSize(run, codec);
  return bytes.packed === 0 ? 1 : bytes.raw / bytes.packed;
}

function makeReport(
  model: LoadedModel,
  { tasks, textName, seed }: RetrievalPlan,
  { codec, words, documents }: {
    codec: string;
    words: string;
    documents: readonly DocumentResult[];
  },
): RetrievalReport {
  const asked = tasks.flatMap(({ cases }, document) =>
    cases.map((own, index) => ({ own, ...documents[document].results[index] }))
  );
  const scoreOf = (isOwn: (own: RetrievalCase) => boolean) =>
    score(asked.filter(({ own }) => isOwn(own)));
  const ofKind = (kind: RetrievalKind) => scoreOf((own) => own.kind === kind);
  return {
    kind: "retrieval",
    text: textName,
    codec,
    profile: words,
    model: model.shape.name,
    form: tasks[0].form,
    documents: tasks.length,
    tokens: tasks[0].documentIds.length,
    seed,
    ratio: documents.reduce((sum, { ratio }) => sum + ratio, 0) / documents.length,
    all: scoreOf(() => true),
    code: ofKind("code"),
    pair: ofKind("pair"),
    by_depth: Array.from(
      { length: DEPTH_PART_COUNT },
      (_, part) => scoreOf(({ depth }) => Math.floor(depth * DEPTH_PART_COUNT) === part),
    ),
  };
}

/** Scores of questions with what became of them. */
export function score(results: readonly (CaseResult & { own: RetrievalCase })[]): RetrievalScore {
  const sum = (valueOf: (result: CaseResult & { own: RetrievalCase }) => number) =>
    results.reduce((total, result) => total + valueOf(result), 0);
  const cases = results.length;
  const tokenCount = sum(({ own }) => own.answerIds.length);
  return {
    cases,
    exact_match: cases === 0 ? 0 : sum(({ isMatch }) => Number(isMatch)) / cases,
    token_match: cases === 0 ? 0 : sum(({ matchCount }) => matchCount) / tokenCount,
    log_prob: cases === 0 ? 0 : sum(({ logProb }) => logProb) / cases,
  };
}

/** @throws {RangeError} If a document or a question is too long, or no whole blocks. */
export function checkTask({ shape }: LoadedModel, { documentIds, cases }: RetrievalTask): void {
  const tokenCount = documentIds.length;
  if (tokenCount % BLOCK_TOKEN_COUNT !== 0) {
    throw new RangeError(
      `Cannot ask after ${tokenCount} tokens: must be a multiple of ${BLOCK_TOKEN_COUNT}`,
    );
  }
  const longest = Math.max(...cases.map((own) => fedIds(own).length));
  if (longest >= BLOCK_TOKEN_COUNT) {
    throw new RangeError(
      `Cannot ask a question of ${longest} tokens: must be less than ${BLOCK_TOKEN_COUNT}`,
    );
  }
  if (tokenCount + BLOCK_TOKEN_COUNT > shape.contextLengthTrained) {
    throw new RangeError(
      `Cannot ask after ${tokenCount} tokens: with questions it is more than the model's context ` +
        `of ${shape.contextLengthTrained}`,
    );
  }
}
