import { logSumExp } from "../../../src/core/log_sum_exp.ts";
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { EngineError } from "../../../src/core/errors.ts";
import { findBaseline } from "../../../src/evaluation/baselines/table.ts";
import { type EvalCodec, EXACT, runOptions } from "../../../src/evaluation/codecs.ts";
import type { RetrievalCase, RetrievalTask } from "../../../src/evaluation/retrieval/cases.ts";
import { evaluateRetrieval } from "../../../src/evaluation/retrieval/retrieval.ts";
import { formatRetrieval } from "../../../src/evaluation/retrieval/retrieval_table.ts";
import { type LoadedModel, loadModel } from "../../../src/runtime/load_model.ts";
import { createSequenceRun } from "../../../src/runtime/sequence_run.ts";
import { readGguf } from "../../../src/gguf/read_gguf.ts";
import { assertSameBits } from "../../support/attention_case.ts";
import { tinyPrompt, withTinyModel } from "../../support/tiny_engine.ts";

const CODECS: EvalCodec[] = [
  EXACT,
  { name: "paper", profile: { name: "paper" }, baseline: null },
  {
    name: "q4_0",
    profile: null,
    baseline: findBaseline("q4_0", { kvHeadCount: 2, headSize: 32 })!,
  },
];
const DOCUMENT = tinyPrompt(384, 1);
const QUESTIONS = [tinyPrompt(9, 2), tinyPrompt(30, 3), tinyPrompt(2, 4)];

async function withModel(body: (model: LoadedModel, folder: string) => Promise<void>) {
  await withTinyModel({}, async (path) => {
    const folder = await Deno.makeTempDir({ prefix: "packkv-retrieval-" });
    const model = await loadModel(await readGguf(path), () => {});
    try {
      await body(model, folder);
    } finally {
      model.gpu.close();
      await Deno.remove(folder, { recursive: true });
    }
  });
}

/** Logits of a question's tokens in a run of its own. */
async function freshLogits(model: LoadedModel, codec: EvalCodec, ids: readonly number[]) {
  const options = { promptIds: [...DOCUMENT, ...ids], ...await runOptions(codec, model, () => {}) };
  const run = await createSequenceRun(model, options);
  try {
    let logits: Float32Array[] = [];
    for (let position = 0; position < options.promptIds.length; position += 64) {
      logits = await run.nextSlice({ wantsLogits: true });
    }
    return logits;
  } finally {
    run.destroy();
  }
}

/** A run that was fed the document and a question. */
async function fedRun(model: LoadedModel, codec: EvalCodec, question: readonly number[]) {
  const promptIds = [...DOCUMENT, ...question];
  const options = { promptIds, maxTokens: 2, ...await runOptions(codec, model, () => {}) };
  const run = await createSequenceRun(model, options);
  for (let position = 0; position < promptIds.length; position += 64) {
    await run.nextSlice({ wantsLogits: false });
  }
  return run;
}

/** What a case asks, where, and whether its answer is the model's own. */
interface Asked {
  question: readonly number[];
  isRight: boolean;
  depth: number;
}

/** Cases whose answers are what the exact model says by itself, or that with a wrong last token. */
async function ownCases(model: LoadedModel, asked: readonly Asked[]): Promise<RetrievalCase[]> {
  const run = await fedRun(model, EXACT, asked[0].question);
  const cases: RetrievalCase[] = [];
  for (const { question, isRight, depth } of asked) {
    const answerIds: number[] = [];
    for (let i = 0; i < 3; i++) {
      const rows = await run.feedAgain([...question, ...answerIds]);
      answerIds.push(logSumExp(rows[rows.length - 1]).topId);
    }
    if (!isRight) answerIds[2] = (answerIds[2] + 1) % 288;
    const kind = depth < 0.5 ? "code" : "pair";
    cases.push({ kind, key: "", depth, questionIds: question, answerIds });
  }
  run.destroy();
  return cases;
}

Deno.test("feedAgain() gives the bits of a run of its own, whatever was fed before", () =>
  withModel(async (model) => {
    for (const codec of CODECS) {
      const [first] = QUESTIONS;
      const run = await fedRun(model, codec, first);
      const fresh = new Map<readonly number[], Float32Array[]>();
      for (const question of QUESTIONS) {
        fresh.set(question, await freshLogits(model, codec, question));
      }
      for (const question of [...QUESTIONS, first]) {
        const expected = fresh.get(question)!;
        const actual = await run.feedAgain(question);
        assertEquals(actual.length, question.length);
        actual.forEach((logits, row) => assertSameBits(logits, expected[row]));
      }
      await assertRejects(() => run.feedAgain(tinyPrompt(64, 5)), Error, "do not fill a tile");
      run.destroy();
    }
  }));

Deno.test("evaluateRetrieval() scores what greedy decoding would say", () =>
  withModel(async (model) => {
    const cases = await ownCases(model, [
      { question: QUESTIONS[0], isRight: true, depth: 0.1 },
      { question: QUESTIONS[1], isRight: false, depth: 0.9 },
      { question: QUESTIONS[2], isRight: true, depth: 0.95 },
    ]);
    const task: RetrievalTask = { form: "completion", documentIds: DOCUMENT, cases };
    const plan = { textName: "t", seed: 1, tasks: [task], codecs: [EXACT] };
    const [report] = await evaluateRetrieval(model, plan);
    assertEquals([report.all.cases, report.code.cases, report.pair.cases], [3, 1, 2]);
    assertAlmostEquals(report.all.exact_match, 2 / 3, 1e-12);
    assertEquals([report.code.exact_match, report.pair.exact_match], [1, 0.5]);
    assertAlmostEquals(report.all.token_match, 8 / 9, 1e-12);
    assertEquals(report.by_depth.map((part) => part.cases), [1, 0, 0, 0, 2]);
    const logProbs: number[] = [];
    for (const { questionIds, answerIds } of cases) {
      const rows = await freshLogits(model, EXACT, [...questionIds, ...answerIds]);
      const answers = answerIds.map((id, index) => {
        const row = rows[questionIds.length - 1 + index];
        const { topId, logSum } = logSumExp(row);
        return { isRight: topId === id, logProb: row[id] - logSum };
      });
      logProbs.push(answers.reduce((sum, { logProb }) => sum + logProb, 0));
      // In a run of its own the model says the same.
      const isLastRight = questionIds !== QUESTIONS[1];
      assertEquals(answers.map(({ isRight }) => isRight), [true, true, isLastRight]);
    }
    assertAlmostEquals(report.code.log_prob, logProbs[0], 1e-9);
    assertEquals(formatRetrieval([report]).split("\n").length, 3);
    // The same twice counts twice, and changes no share.
    const [twice] = await evaluateRetrieval(model, { ...plan, tasks: [task, task] });
    assertEquals([twice.documents, twice.all.cases], [2, 6]);
    assertAlmostEquals(twice.all.exact_match, report.all.exact_match, 1e-12);
    assertAlmostEquals(twice.all.log_prob, report.all.log_prob, 1e-9);
  }));

Deno.test("evaluateRetrieval() goes on from its state, and refuses that of another document", () =>
  withModel(async (model, stateFolder) => {
    const cases = await ownCases(model, [{ question: QUESTIONS[0], isRight: true, depth: 0.1 }]);
    const task: RetrievalTask = { form: "completion", documentIds: DOCUMENT, cases };
    const tasks = [task, { ...task, documentIds: tinyPrompt(384, 8) }];
    const plan = { textName: "t", seed: 1, tasks, codecs: CODECS };
    const expected = await evaluateRetrieval(model, plan);
    const cut = (message: string) => {
      if (message.startsWith("q4_0: question")) throw new Error("cut");
    };
    const run = { stateFolder, onProgress: cut };
    await assertRejects(() => evaluateRetrieval(model, plan, run), Error, "cut");
    const messages: string[] = [];
    const onProgress = (message: string) => messages.push(message);
    assertEquals(await evaluateRetrieval(model, plan, { stateFolder, onProgress }), expected);
    assert(messages.every((message) => message.startsWith("q4_0")), "the others were done");
    const other = { ...plan, tasks: [task, { ...task, documentIds: tinyPrompt(384, 9) }] };
    await assertRejects(() => evaluateRetrieval(model, other, run), RangeError, "its texts is");
  }));

Deno.test("evaluateRetrieval() keeps no result of what the device failed in", () =>
  withModel(async (model, stateFolder) => {
    const own = { kind: "code", key: "", depth: 0, questionIds: [1, 2], answerIds: [3] } as const;
    const task: RetrievalTask = { form: "completion", documentIds: DOCUMENT, cases: [own] };
    const plan = { textName: "t", seed: 1, tasks: [task], codecs: CODECS.slice(0, 2) };
    const buffer = model.gpu.createBuffer("small", 16);
    const onProgress = (message: string) => {
      // Of the last question of the codec, behind which no step runs.
      if (message === "paper: question 1 of 1") model.gpu.write(buffer, 16, new Uint32Array(4));
    };
    const run = () => evaluateRetrieval(model, plan, { stateFolder, onProgress });
    const { code } = await assertRejects(run, EngineError);
    assertEquals(code, "gpu_validation");
    const [{ name }] = [...Deno.readDirSync(stateFolder)];
    const state = JSON.parse(await Deno.readTextFile(`${stateFolder}/${name}`));
    assertEquals(state.reports.map(({ codec }: { codec: string }) => codec), ["exact"]);
  }));

Deno.test("evaluateRetrieval() refuses documents and questions that do not fit", () =>
  withModel(async (model) => {
    const one = { kind: "code", key: "", depth: 0, questionIds: [1, 2], answerIds: [3] } as const;
    const refused: [Partial<RetrievalTask>, string][] = [
      [{ documentIds: tinyPrompt(100, 1) }, "100 tokens: must be a multiple of 64"],
      [{ documentIds: tinyPrompt(512, 1) }, "512 tokens: with questions it is more"],
      [{ cases: [{ ...one, questionIds: tinyPrompt(64, 1) }] }, "64 tokens: must be less than 64"],
    ];
    for (const [change, message] of refused) {
      const task = { form: "chat", documentIds: DOCUMENT, cases: [one], ...change } as const;
      const plan = { textName: "t", seed: 1, tasks: [task], codecs: [EXACT] };
      await assertRejects(() => evaluateRetrieval(model, plan), RangeError, message);
    }
  }));
