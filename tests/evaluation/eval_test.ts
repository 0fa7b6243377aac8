import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import { findBaseline } from "../../src/evaluation/baselines/table.ts";
import type { EvalCodec } from "../../src/evaluation/codecs.ts";
import { type EvalPlan, evaluate } from "../../src/evaluation/eval.ts";
import type { EvalReport } from "../../src/evaluation/report.ts";
import { formatReports } from "../../src/evaluation/report_table.ts";
import { type LoadedModel, loadModel } from "../../src/runtime/load_model.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

const SHAPE = { kvHeadCount: 2, headSize: 32 };
const profile = (name: string, settings = {}): EvalCodec => {
  return { name, profile: { name: "paper", ...settings }, baseline: null };
};
const baseline = (name: string): EvalCodec => {
  return { name, profile: null, baseline: findBaseline(name, SHAPE)! };
};
/** Layer 0 sees 100 tokens, layer 1 all. */
const WINDOW = { "gemma2.attention.sliding_window": 100 };
const EXACT: EvalCodec = { name: "exact", profile: { name: "exact" }, baseline: null };

const PLAN: EvalPlan = {
  texts: [
    { name: "a.txt", ids: tinyPrompt(460, 1), quote: String },
    { name: "b.txt", ids: tinyPrompt(460, 2), quote: String },
  ],
  codecs: [EXACT, profile("paper"), baseline("q8_0"), baseline("q4_0+sinks")],
  contexts: [320, 448],
  from: 256,
};

async function withModel(body: (model: LoadedModel, folder: string) => Promise<void>) {
  await withTinyModel({}, async (path) => {
    const folder = await Deno.makeTempDir({ prefix: "packkv-state-" });
    const model = await loadModel(await readGguf(path), () => {});
    try {
      await body(model, folder);
    } finally {
      model.gpu.close();
      await Deno.remove(folder, { recursive: true });
    }
  });
}

let whole: Promise<{ reports: EvalReport[]; messages: string[] }> | undefined;

/** The reports of `PLAN` and what was said on the way, run once: each model here is the same. */
function wholeRun(model: LoadedModel) {
  const run = async () => {
    const messages: string[] = [];
    const reports = await evaluate(model, PLAN, { onProgress: (text) => messages.push(text) });
    return { reports, messages };
  };
  return whole ??= run();
}

function checkSizes(report: EvalReport): void {
  assertEquals(report.all_in.map(({ tokens }) => tokens), [2048, 8192, 32768]);
  for (const { tokens, ratio, bytes, sealed, sinks, window, slack, tables } of report.all_in) {
    assertAlmostEquals(bytes, sealed + sinks + window + slack + tables, 1e-6);
    assertAlmostEquals(ratio, tokens * 2 * 2 * 2 * 32 * 2 / bytes, 1e-9);
    assertEquals([window, sinks], [report.window_bytes, report.sinks.bytes]);
  }
  const { position, kl, before, next } = report.worst;
  assert(position >= 256 && position < 448 && kl >= report.kl_p999, "the worst is one compared");
  assert(before!.length > 0 && next!.length > 0, "it is quoted");
  for (const { bits, bytes, ratio, tokens } of report.contexts) {
    const blockCount = Math.floor((tokens - 1) / 64) - 2;
    // 2 layers, 2 heads of 32 channels, K and V of 64 tokens as f16.
    assertEquals(bytes.raw, blockCount * 2 * 64 * 2 * 2 * 32 * 2);
    assertEquals([bytes.k.raw, bytes.v.raw], [bytes.raw / 2, bytes.raw / 2]);
    // Padding of records, up to 3 words each, is on neither side.
    const padding = bytes.packed - bytes.k.packed - bytes.v.packed;
    assert(padding > -1e-6 && padding <= blockCount * 2 * 12, `padding is ${padding}`);
    assert(Math.abs(bytes.payload - bytes.k.payload - bytes.v.payload) <= blockCount * 2 * 12);
    assert(bytes.payload <= bytes.packed && bytes.packed <= bytes.allocated);
    assertEquals(ratio, bytes.raw / bytes.packed);
    assert(Math.abs(bits.k - 16 * bytes.k.packed / bytes.k.raw) < 1e-9);
  }
}

Deno.test("evaluate() reports each text and codec at each context, exact nearest to exact", () =>
  withModel(async (model) => {
    const { reports, messages } = await wholeRun(model);
    assertEquals(
      reports.map(({ text, codec }) => `${text} ${codec}`),
      PLAN.texts.flatMap(({ name }) => PLAN.codecs.map((codec) => `${name} ${codec.name}`)),
    );
    for (const report of reports) {
      checkSizes(report);
      assertEquals(report.contexts.map(({ tokens }) => tokens), [320, 448]);
      assertEquals(report.kl_mean, report.contexts[1].kl_mean);
      assert(report.kl_p50 <= report.kl_p99 && report.kl_p99 <= report.kl_p999);
    }
    for (let i = 0; i < reports.length; i += 4) {
      const [exact, paper, q8, q4] = reports.slice(i, i + 4);
      assert(exact.kl_mean < 1e-7 && exact.same_top === 1, `exact has ${exact.kl_mean}`);
      assert(exact.kl_mean < q8.kl_mean && q8.kl_mean < q4.kl_mean && q4.kl_mean < paper.kl_mean);
      assertEquals([q8.ratio, q4.ratio], [16 / 8.5, 16 / 4.5]);
      assertEquals([q8.sinks.tokens, q4.sinks.tokens, paper.by_construction], [0, 4, false]);
    }
    const exactRuns = messages.filter((text) => / exact: 0 of/.test(text));
    assertEquals(exactRuns.length, 4, "once per text, and once more as a codec");
    assertEquals(formatReports(reports).split("\n").length, 1 + 2 * 4 * 2);
  }));

Deno.test("evaluate() compares one of so many blocks if it is asked to, each with the same result", () =>
  withModel(async (model) => {
    const plan = { ...PLAN, texts: PLAN.texts.slice(0, 1), codecs: [baseline("q4_0")] };
    const [whole] = await evaluate(model, { ...plan, contexts: [320, 384, 448] });
    const [half] = await evaluate(model, { ...plan, every: 2 });
    assertEquals(whole.contexts.map(({ positions }) => positions), [64, 128, 192]);
    assertEquals(half.contexts.map(({ positions }) => positions), [64, 128]);
    const [first, second, third] = whole.contexts.map(({ kl_mean }) => kl_mean);
    assertEquals(half.contexts[0].kl_mean, first);
    assertAlmostEquals(half.kl_mean, (first + (3 * third - 2 * second)) / 2, 1e-9);
  }));

Deno.test("evaluate() tells which share of blocks fell back, and counts 8 raw tokens of DeltaKV", () =>
  withModel(async (model) => {
    const codecs = [
      baseline("deltakv-global"),
      baseline("deltakv-global:bits=4"),
      baseline("q4_0"),
    ];
    const plan = { ...PLAN, texts: PLAN.texts.slice(0, 1), codecs, contexts: [320] };
    const [packed, published, q4] = await evaluate(model, plan);
    assert(packed.fallback_share! >= 0 && packed.fallback_share! <= 1, "a share");
    assertEquals([published.fallback_share, "fallback_share" in q4], [0, false]);
    assertEquals([packed.sinks.tokens, published.sinks.tokens, q4.sinks.tokens], [8, 8, 0]);
    for (const { bits, kl_mean } of [packed, published]) {
      assert(bits.k > 1 && bits.k < 9 && kl_mean > 0 && kl_mean < 1, `${bits.k} bits, ${kl_mean}`);
    }
    const table = formatReports([packed, published, q4]).split("\n");
    assert(table[0].endsWith("fell back") && table[2].endsWith("0.0%"));
    assert(formatReports([packed]).includes("blocks fallen back"));
  }));

Deno.test("evaluate() counts the raw first tokens of layers that are sealed alone", () =>
  withTinyModel({ architecture: "gemma2", metadata: WINDOW }, async (path) => {
    const model = await loadModel(await readGguf(path), () => {});
    const plan = { ...PLAN, texts: PLAN.texts.slice(0, 1), contexts: [320] };
    const [report] = await evaluate(model, { ...plan, codecs: [baseline("q4_0+sinks")] });
    assertEquals(report.sinks, { tokens: 4, bytes: 4 * 2 * 2 * 32 * 2 });
    model.gpu.close();
  }));

Deno.test("evaluate() keeps and gives no report of what the device failed in", () =>
  withModel(async (model, folder) => {
    const stateFolder = `${folder}/state`;
    const buffer = model.gpu.createBuffer("small", 16);
    const onProgress = (message: string) => {
      // Of the last block of the codec, behind which no step runs.
      if (/a.txt, q8_0: 384/.test(message)) model.gpu.write(buffer, 16, new Uint32Array(4));
    };
    const run = () => evaluate(model, PLAN, { stateFolder, onProgress });
    const { code } = await assertRejects(run, EngineError);
    assertEquals(code, "gpu_validation");
    const state = JSON.parse(await Deno.readTextFile(`${stateFolder}/eval.json`));
    assertEquals(state.reports.map(({ codec }: EvalReport) => codec), ["exact", "paper"]);
  }));

Deno.test("evaluate() goes on from its state after a cut, and ends with the same reports", () =>
  withModel(async (model, folder) => {
    const stateFolder = `${folder}/state`;
    const { reports: expected } = await wholeRun(model);
    // Cut in the middle of the second text's second codec.
    const cut = /b.txt, paper: 128/;
    await assertRejects(
      () =>
        evaluate(model, PLAN, {
          stateFolder,
          onProgress(message) {
            if (cut.test(message)) throw new Error("cut");
          },
        }),
      Error,
      "cut",
    );
    const messages: string[] = [];
    const resumed = await evaluate(model, PLAN, {
      stateFolder,
      onProgress: (message) => messages.push(message),
    });
    assertEquals(resumed, expected);
    assertEquals(messages[0], "b.txt, paper: 0 of 448 tokens");
    assert(!messages.some((message) => message.includes("exact")), "the exact cache ran before");
    const names = [...Deno.readDirSync(stateFolder)].map(({ name }) => name);
    assertEquals(names, ["eval.json"], "distributions are deleted when all is compared");
  }));

Deno.test("evaluate() refuses the state of another model, text, codec or range", () =>
  withModel(async (model, folder) => {
    const small = { ...PLAN, texts: PLAN.texts.slice(0, 1), codecs: [baseline("q8_0")] };
    const options = { stateFolder: folder };
    await evaluate(model, small, options);
    const others: [Partial<EvalPlan>, string][] = [
      [{ texts: [{ name: "a.txt", ids: tinyPrompt(460, 9) }] }, "texts"],
      [{ codecs: [baseline("q4_0")] }, "codecs"],
      [{ contexts: [320] }, "contexts"],
      [{ from: 255 }, "from"],
      [{ every: 2 }, "every"],
    ];
    for (const [change, key] of others) {
      const plan = { ...small, ...change };
      await assertRejects(() => evaluate(model, plan, options), RangeError, `its ${key} is`);
    }
    await withTinyModel({ seed: 2 }, async (path) => {
      const other = await loadModel(await readGguf(path), () => {});
      await assertRejects(() => evaluate(other, small, options), RangeError, "its model is");
      other.gpu.close();
    });
    await Deno.writeTextFile(`${folder}/eval.json`, "{");
    await assertRejects(() => evaluate(model, small, options), RangeError, "it is no JSON");
  }));

Deno.test("evaluate() refuses plans that do not fit, naming both numbers", () =>
  withModel(async (model) => {
    const plans: [Partial<EvalPlan>, string][] = [
      [{ contexts: [460] }, "460 tokens: a.txt has 460"],
      [
        { contexts: [513], texts: [{ name: "a", ids: tinyPrompt(600, 1) }] },
        "513 tokens: the model",
      ],
      [{ contexts: [448, 320] }, "must be ascending"],
      [{ from: 320 }, "from 320: must be less than the shortest context, 320"],
      [{ codecs: [EXACT, EXACT] }, "exact twice"],
      [{ every: 7 }, "320 tokens from 256: of every 7 blocks"],
    ];
    for (const [change, message] of plans) {
      await assertRejects(() => evaluate(model, { ...PLAN, ...change }), RangeError, message);
    }
  }));
