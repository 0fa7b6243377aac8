/**
 * A long document asked about twice: what the second question costs, at once and after a restart
 * that finds the document's blocks on disk.
 *
 * @module
 */

import { createEngine, type Engine, type EngineOptions } from "../../mod.ts";

/** Tokens of a question and its answer. */
const QUESTION_TOKEN_COUNT = 20;
const ANSWER_TOKEN_COUNT = 4;

/** One question's cost. */
export interface DocumentAnswer {
  promptTokenCount: number;
  cachedTokenCount: number;
  /** From the request to its first token, waiting excluded. */
  prefillMs: number;
  /** Of the first question's `prefillMs`. */
  share: number;
}

/** The three questions. */
export interface DocumentReport {
  first: DocumentAnswer;
  second: DocumentAnswer;
  afterRestart: DocumentAnswer;
}

/**
 * Asks about `documentIds` twice, restarts the engine, and asks again.
 *
 * @param options With a `diskFolder`, empty or of no such document.
 */
export async function measureDocument(
  options: EngineOptions,
  documentIds: readonly number[],
): Promise<DocumentReport> {
  const [first, second] = await withEngine(options, async (engine) => [
    await ask(engine, documentIds, 1),
    await ask(engine, documentIds, 2),
  ]);
  const [third] = await withEngine(options, async (engine) => [await ask(engine, documentIds, 3)]);
  const reportOf = (answer: Omit<DocumentAnswer, "share">) => {
    return { ...answer, share: answer.prefillMs / first.prefillMs };
  };
  return { first: reportOf(first), second: reportOf(second), afterRestart: reportOf(third) };
}

async function withEngine<T>(
  options: EngineOptions,
  body: (engine: Engine) => Promise<T>,
): Promise<T> {
  const engine = await createEngine(options);
  try {
    // The first steps of each kernel are slower.
    await ask(engine, [], 0);
    return await body(engine);
  } finally {
    await engine.close();
  }
}

async function ask(
  engine: Engine,
  documentIds: readonly number[],
  question: number,
): Promise<Omit<DocumentAnswer, "share">> {
  const questionIds = Array.from({ length: QUESTION_TOKEN_COUNT }, (_, index) => {
    return 30 + question * 40 + index;
  });
  const promptIds = [...documentIds, ...questionIds];
  const request = { promptIds, maxTokens: ANSWER_TOKEN_COUNT, ignoreEos: true };
  for await (const event of engine.generate(request)) {
    if (event.type !== "finish") continue;
    const { promptTokenCount, cachedTokenCount, timings: { prefillMs } } = event;
    return { promptTokenCount, cachedTokenCount, prefillMs };
  }
  throw new Error("A generation ended without saying so");
}

/** A table for people. */
export function formatDocument({ first, second, afterRestart }: DocumentReport): string {
  const row = (
    name: string,
    { promptTokenCount, cachedTokenCount, prefillMs, share }: DocumentAnswer,
  ) =>
    `${name.padEnd(20)}${String(promptTokenCount).padStart(7)}${
      String(cachedTokenCount).padStart(9)
    }${(prefillMs / 1000).toFixed(2).padStart(12)}${`${(100 * share).toFixed(1)}%`.padStart(9)}`;
  return [
    `${"question".padEnd(20)} prompt   cached   prefill s    share`,
    row("first", first),
    row("second", second),
    row("after a restart", afterRestart),
  ].join("\n");
}
