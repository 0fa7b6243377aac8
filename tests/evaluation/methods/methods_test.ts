/** Methods compared: their next tokens beside plain loops, bytes, and what can be asked for. */

import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { compareMethods, seenBytes } from "../../../src/evaluation/methods/compare.ts";
import { type Method, parseMethods } from "../../../src/evaluation/methods/methods.ts";
import { PromptRuns } from "../../../src/runtime/prompt_runs.ts";
import { methodRetrieval } from "../../../src/evaluation/methods/retrieval.ts";
import { formatMethodRetrieval, formatMethods } from "../../../src/evaluation/methods/table.ts";
import { type EvalCodec, EXACT } from "../../../src/evaluation/codecs.ts";
import type { RetrievalCase, RetrievalTask } from "../../../src/evaluation/retrieval/cases.ts";
import { evaluateRetrieval } from "../../../src/evaluation/retrieval/retrieval.ts";
import { type GgufFile, readGguf } from "../../../src/gguf/read_gguf.ts";
import { readModelPlan } from "../../../src/model/architectures/registry.ts";
import { sharePlan } from "../../../src/model/shared_layers.ts";
import { type LoadedModel, loadModel } from "../../../src/runtime/load_model.ts";
import { chunkKvReference } from "../../scheduler/keep_reference.ts";
import { assertNear } from "../../support/numeric.ts";
import { planLogits, referenceLogits } from "../../support/reference_model.ts";
import { tinyPrompt, withTinyModel } from "../../support/tiny_engine.ts";

const PROMPT = tinyPrompt(330, 1);
const FOLLOWING = tinyPrompt(9, 2);
const SEALED = 192;
/** All layers keep what the first of them chooses, so that a row reads the same in each. */
const KEEP = "chunkkv:ratio=0.6,reuse=64";

async function withModel(body: (model: LoadedModel, file: GgufFile) => Promise<void>) {
  await withTinyModel({ layerCount: 3, type: "F32", contextLength: 512 }, async (path) => {
    const file = await readGguf(path);
    const model = await loadModel(file, () => {});
    try {
      await body(model, file);
    } finally {
      model.gpu.close();
    }
  });
}

/** What the first layer keeps of the prompt, by the paper over the reference's attention. */
function keptTokens(file: GgufFile): Set<number> {
  const scores = { sums: new Float64Array(PROMPT.length), lastByHead: [] };
  referenceLogits(file, PROMPT, {
    first: PROMPT.length - 32,
    onAttention({ layer, position }, weights) {
      if (layer !== 0 || position < PROMPT.length - 32) return;
      weights.forEach((weight, token) => scores.sums[token] += weight);
    },
  });
  const counts = {
    promptTokenCount: PROMPT.length,
    sealedTokenCount: SEALED,
    sinkCount: 4,
    packTokenCount: 1,
  };
  const budget = Math.floor(0.6 * PROMPT.length);
  return new Set(chunkKvReference(scores, counts, { chunkSize: 16, budget }));
}

Deno.test("PromptRuns reads what follows as plain loops do that keep the same, also behind the cache", () =>
  withModel(async (model, file) => {
    const kept = keptTokens(file);
    assert(kept.size > 30 && kept.size < SEALED, "some are dropped");
    const ids = [...PROMPT, ...FOLLOWING];
    const isRead = (position: number, other: number) =>
      position < PROMPT.length || other >= SEALED || kept.has(other);
    const first = PROMPT.length - 1;
    const whole = referenceLogits(file, ids, { first });
    const less = referenceLogits(file, ids, { first, isRead });
    const profile = { name: "exact" } as const;
    const runs = await PromptRuns.create(model, { profile, contextLength: ids.length });
    try {
      for (const [keep, expected] of [[KEEP, less], [null, whole], [KEEP, less]] as const) {
        let count = 0;
        const { sealedTokens, decodeMs } = await runs.follow(PROMPT, FOLLOWING, {
          keep,
          onLogits(index, logits) {
            assertEquals(index, count++);
            assertNear(logits, expected[index], 1e-5, `${keep}, token ${index}`);
          },
        });
        assertEquals(count, FOLLOWING.length);
        // The first of them comes from the prompt, and the last is fed to nobody.
        assertEquals(decodeMs.length, FOLLOWING.length - 1);
        assertEquals(sealedTokens, keep === null ? SEALED : kept.size);
      }
    } finally {
      runs.destroy();
    }
  }));

Deno.test("compareMethods() reports divergence, what stayed, and bytes with all counted", () =>
  withModel(async (model, file) => {
    const methods: Method[] = [
      ...["all", "chunkkv:ratio=0.6:reuse=64"].map((name) => ({
        ...parseMethods(name)[0],
        sharedLayers: [],
      })),
      { name: "two", keep: null, share: "kvsharer:1", sharedLayers: [{ layer: 2, source: 1 }] },
    ];
    const progress: number[] = [];
    const reports = await compareMethods(model, {
      textName: "seeded",
      prompts: [{ promptIds: PROMPT, followIds: FOLLOWING }],
      profiles: [{ name: "exact", profile: { name: "exact" } }],
      methods,
    }, (_, share) => progress.push(share));
    const [all, less, shared] = reports;
    // Each slice of a prompt tells; the exact cache is a quarter of the work.
    const read = [64, 128, 192, 256, 320, PROMPT.length];
    assertEquals(progress.slice(0, read.length), read.map((count) => count / PROMPT.length / 4));
    assertEquals(progress, progress.toSorted((a, b) => a - b));
    assertEquals(reports.map(({ method }) => method), methods.map(({ name }) => name));
    assertAlmostEquals(all.kl_mean, 0, 1e-6);
    assertEquals([all.positions, all.same_top, all.kept], [8, 1, 1]);
    const tokenBytes = 3 * 2 * 2 * 2 * 32;
    assertEquals(all.bytes.f16, PROMPT.length * tokenBytes);
    assertEquals(all.bytes.packed, SEALED * tokenBytes);
    // A record of the exact cache is of 64 tokens, whether all are there or not.
    assert(keptTokens(file).size <= 64);
    assertEquals(less.bytes.packed, 64 * tokenBytes);
    assertEquals(less.kept, (keptTokens(file).size + PROMPT.length - SEALED) / PROMPT.length);
    assertEquals(shared.bytes.packed, all.bytes.packed * 2 / 3);
    assertEquals(shared.bytes.window, all.bytes.window * 2 / 3);
    assertEquals([shared.shared_layers, shared.kept], [1, 1]);
    const ids = [...PROMPT, ...FOLLOWING];
    const plan = readModelPlan(file);
    const first = PROMPT.length;
    const own = planLogits(file, plan, ids, { first }).slice(0, -1);
    const other = planLogits(file, sharePlan(plan, [{ layer: 2, source: 1 }]), ids, { first });
    assertAlmostEquals(shared.kl_mean / meanKl(own, other), 1, 0.02);
    assert(less.kl_mean > 0 && less.bytes.all_in < all.bytes.all_in);
    assert(reports.every(({ decode_ms }) => decode_ms > 0));
    assertEquals(formatMethods(reports).split("\n").length, 2 + 1 + 3);
  }));

Deno.test("seenBytes() counts of layers that see a window the tokens in it", () =>
  withTinyModel({
    architecture: "gemma2",
    layerCount: 3,
    metadata: { "gemma2.attention.sliding_window": 100 },
  }, async (path) => {
    const plan = readModelPlan(await readGguf(path));
    assertEquals(plan.layers.map(({ attention: { window } }) => window), [100, null, 100]);
    const tokenBytes = 2 * 2 * 2 * 32;
    assertEquals(seenBytes(plan, 90), 3 * 90 * tokenBytes);
    assertEquals(seenBytes(plan, 330), (2 * 100 + 330) * tokenBytes);
  }));

Deno.test("methodRetrieval() with all kept scores as questions over one another do", () =>
  withModel(async (model) => {
    const cases = [3, 4].map((seed, index): RetrievalCase => ({
      kind: index === 0 ? "code" : "pair",
      key: "",
      depth: 0.5,
      questionIds: tinyPrompt(7, seed),
      answerIds: tinyPrompt(3, 10 + seed),
    }));
    const tasks: RetrievalTask[] = [{ form: "completion", documentIds: tinyPrompt(256, 5), cases }];
    const codecs: EvalCodec[] = [EXACT];
    const [expected] = await evaluateRetrieval(model, { textName: "a", seed: 1, tasks, codecs });
    const [all, less] = await methodRetrieval(model, {
      textName: "a",
      tasks,
      profiles: [{ name: "exact", profile: { name: "exact" } }],
      methods: parseMethods("all,chunkkv:tokens=1").map((own) => ({ ...own, sharedLayers: [] })),
    }, () => {});
    assertAlmostEquals(all.all.log_prob, expected.all.log_prob, 1e-3);
    assertAlmostEquals(all.pair.log_prob, expected.pair.log_prob, 1e-3);
    assertEquals(all.all.token_match, expected.all.token_match);
    assert(Math.abs(less.all.log_prob - all.all.log_prob) > 1e-3, "what is dropped was read");
    assertEquals(formatMethodRetrieval([all, less]).split("\n").length, 2 + 1 + 2);
  }));

function meanKl(own: readonly Float64Array[], other: readonly Float64Array[]): number {
  const logProbs = (logits: Float64Array) => {
    const logSum = Math.log(logits.reduce((sum, each) => sum + Math.exp(each), 0));
    return logits.map((each) => each - logSum);
  };
  const kls = own.map((row, index) => {
    const [p, q] = [logProbs(row), logProbs(other[index])];
    return p.reduce((sum, each, id) => sum + Math.exp(each) * (each - q[id]), 0);
  });
  return kls.reduce((sum, kl) => sum + kl, 0) / kls.length;
}

Deno.test("parseMethods() reads what --keep and --share take, and both together", () => {
  assertEquals(parseMethods("all,chunkkv:ratio=0.2:chunk=20,kvsharer:8+dbudgetkv+think"), [
    { name: "all", keep: null, share: null },
    { name: "chunkkv:ratio=0.2:chunk=20", keep: "chunkkv:ratio=0.2,chunk=20", share: null },
    { name: "kvsharer:8+dbudgetkv+think", keep: "dbudgetkv,think", share: "kvsharer:8" },
  ]);
});

const REFUSED: [string, string][] = [
  ["snapkv", "no method is called snapkv"],
  ["chunkkv:ratio=2", "ratio is 2"],
  ["kvsharer:0", "a whole number from 1"],
  ["kvsharer:1+kvsharer:2", "it shares twice"],
  ["chunkkv+dbudgetkv", "both say which tokens stay"],
];

for (const [list, message] of REFUSED) {
  Deno.test(`parseMethods() refuses ${list}`, () => {
    assertThrows(() => parseMethods(list), RangeError, message);
  });
}
