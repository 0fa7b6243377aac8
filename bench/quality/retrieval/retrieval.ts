/**
 * Retrieval of codecs: one document is read through the cache, then every question about it is fed
 * from the same place, each over the one before. A row of a question reads every fact from the
 * sealed blocks, as a decoded token would.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../../../src/core/shapes.ts";
import type { LoadedModel } from "../../../src/engine/load_model.ts";
import { createSequenceRun, type SequenceRun } from "../../../src/engine/sequence_run.ts";
import { describeInForce, type EvalCodec, runOptions } from "../codecs.ts";
import { logSumExp } from "../exact_row.ts";
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
  /** Tokens of the document. */
  tokens: number;
  seed: number;
  /** f16 bytes of the sealed tokens over packed bytes. */
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
  seed: number;
  task: RetrievalTask;
  codecs: readonly EvalCodec[];
}

/** How to go about it. */
export interface RetrievalRunOptions {
  /** Folder that keeps the reports, so that a cut run can go on; none if left out. */
  stateFolder?: string;
  onProgress?: (message: string, fraction: number) => void;
}

interface CaseResult {
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
  const { task, textName, codecs, seed } = plan;
  checkTask(model, task);
  const words = await describeInForce(codecs, model, (message) => options.onProgress?.(message, 0));
  const state = await EvalState.open<RetrievalReport>(options.stateFolder ?? null, {
    model: await fileIdentity(model.file.path, model.shape.name),
    texts: [`${textName}, seed ${seed}, sha256 ${idsDigest(task.documentIds)}`],
    codecs: [...words.values()],
    contexts: [task.documentIds.length],
    from: task.cases.length,
  });
  try {
    for (const [index, codec] of codecs.entries()) {
      if (state.report(textName, codec.name) !== null) continue;
      const tell = (message: string, share: number) =>
        options.onProgress?.(`${codec.name}: ${message}`, (index + share) / codecs.length);
      await state.addReport(
        await runCodec(model, plan, { codec, words: words.get(codec.name)!, tell }),
      );
    }
    return codecs.map(({ name }) => state.report(textName, name)!);
  } finally {
    await state.close();
  }
}

async function runCodec(
  model: LoadedModel,
  plan: RetrievalPlan,
  { codec, words, tell }: {
    codec: EvalCodec;
    words: string;
    tell: (message: string, share: number) => void;
  },
): Promise<RetrievalReport> {
  const { task: { documentIds, cases } } = plan;
  // The first question is part of the prompt, so that the step that begins it packs what the
  // document's last step measured; one more token is allowed, so that the sequence does not end.
  const promptIds = [...documentIds, ...fedIds(cases[0])];
  const run = await createSequenceRun(model, {
    promptIds,
    maxTokens: 2,
    ...await runOptions(codec, model, tell),
  });
  try {
    for (let position = 0; position < promptIds.length; position += BLOCK_TOKEN_COUNT) {
      tell(`${position} of ${documentIds.length} tokens`, 0.5 * position / promptIds.length);
      await run.nextSlice({ wantsLogits: false });
    }
    const results: CaseResult[] = [];
    for (const [index, own] of cases.entries()) {
      tell(`question ${index + 1} of ${cases.length}`, 0.5 + 0.5 * index / cases.length);
      results.push(await ask(run, own));
    }
    return report(model, plan, { codec, words, results, ratio: ratioOf(run, codec) });
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

function report(
  model: LoadedModel,
  { task, textName, seed }: RetrievalPlan,
  { codec, words, results, ratio }: {
    codec: EvalCodec;
    words: string;
    results: CaseResult[];
    ratio: number;
  },
): RetrievalReport {
  const scoreOf = (isOwn: (own: RetrievalCase) => boolean) =>
    score(task.cases.flatMap((own, index) => isOwn(own) ? [{ own, ...results[index] }] : []));
  const ofKind = (kind: RetrievalKind) => scoreOf((own) => own.kind === kind);
  return {
    kind: "retrieval",
    text: textName,
    codec: codec.name,
    profile: words,
    model: model.shape.name,
    form: task.form,
    tokens: task.documentIds.length,
    seed,
    ratio,
    all: scoreOf(() => true),
    code: ofKind("code"),
    pair: ofKind("pair"),
    by_depth: Array.from(
      { length: DEPTH_PART_COUNT },
      (_, part) => scoreOf(({ depth }) => Math.floor(depth * DEPTH_PART_COUNT) === part),
    ),
  };
}

function score(results: readonly (CaseResult & { own: RetrievalCase })[]): RetrievalScore {
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

function checkTask({ shape }: LoadedModel, { documentIds, cases }: RetrievalTask): void {
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
