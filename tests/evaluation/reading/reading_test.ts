import { logSumExp } from "../../../src/core/log_sum_exp.ts";
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { EXACT, runOptions } from "../../../src/evaluation/codecs.ts";
import { evaluateReading, evaluateReadRetrieval } from "../../../src/evaluation/reading/reading.ts";
import {
  formatReading,
  formatReadRetrieval,
} from "../../../src/evaluation/reading/reading_table.ts";
import { readGguf } from "../../../src/gguf/read_gguf.ts";
import { type LoadedModel, loadModel } from "../../../src/runtime/load_model.ts";
import {
  addFetches,
  hostValues,
  noFetches,
} from "../../../src/evaluation/reading/value_fetches.ts";
import { measuredReadMethod } from "../../../src/runtime/read_method.ts";
import { createSequenceRun } from "../../../src/runtime/sequence_run.ts";
import { assertNear } from "../../support/numeric.ts";
import { assertSameBits } from "../../support/attention_case.ts";
import { tinyPrompt, withTinyModel } from "../../support/tiny_engine.ts";

const METHODS = [
  "quest:blocks=100,dense=0",
  "quest:blocks=2,dense=0",
  "oracle:blocks=2,dense=0",
].map((text) => measuredReadMethod(text)!);

async function withModel(body: (model: LoadedModel) => Promise<void>): Promise<void> {
  await withTinyModel({ contextLength: 1024 }, async (path) => {
    const model = await loadModel(await readGguf(path), () => {});
    try {
      await body(model);
    } finally {
      model.gpu.close();
    }
  });
}

Deno.test("decodeRows() gives the logits of tokens decoded one by one, as often as asked", () =>
  withModel(async (model) => {
    const options = {
      promptIds: tinyPrompt(300, 1),
      maxTokens: 8,
      profile: { name: "exact" },
    } as const;
    const read = METHODS[1];
    const expected: Float32Array[] = [];
    const ids: number[] = [];
    const one = await createSequenceRun(model, { ...options, read });
    for (let count = 0; count < 5; count++) await one.nextSlice({ wantsLogits: false });
    for (let count = 0; count < 6; count++) {
      const { id, logits } = await one.nextToken();
      expected.push(logits.slice());
      ids.push(id);
    }
    one.destroy();
    const rows = await createSequenceRun(model, { ...options, read, decodeRowCount: 8 });
    let firstId = 0;
    for (let count = 0; count < 5; count++) {
      const logits = await rows.nextSlice({ wantsLogits: true });
      const last = logits.at(-1)!;
      firstId = last.indexOf(Math.max(...last));
    }
    for (const _ of [1, 2]) {
      const logits = await rows.decodeRows([firstId, ...ids.slice(0, -1)], { from: "behind it" });
      for (const [index, row] of logits.entries()) assertSameBits(row, expected[index]);
    }
    rows.destroy();
  }));

Deno.test("evaluateReading() compares each method with reading everything", () =>
  withModel(async (model) => {
    const texts = [{ name: "made up", ids: tinyPrompt(513, 1) }];
    const plan = { codec: EXACT, methods: METHODS, texts, contextLength: 512, blockCount: 1 };
    const reports = await evaluateReading(model, plan);
    const [enough, two, oracle] = reports;
    assertEquals(reports.map(({ read }) => read), METHODS.map(({ id }) => id));
    assertEquals([enough.share, enough.same_top], [1, 1]);
    // The rounding of the rows that are compared with.
    assertAlmostEquals(enough.kl_mean, 0, 1e-7);
    assertEquals(two.positions, 64);
    assert(two.kl_mean > 1e-6, "what is left out was read");
    // Two of the 5 blocks that the rows could read; they stand at 448 to 511.
    assertAlmostEquals(two.share, 1 - 3 * 64 / 480.5, 1e-12);
    assertEquals(oracle.share, two.share);
    assert(oracle.kl_mean !== two.kl_mean, "other blocks are read");
    assertEquals(formatReading(reports).split("\n").length, 5);
    await assertRejects(
      () => evaluateReading(model, { ...plan, contextLength: 576 }),
      RangeError,
      "made up has 513",
    );
  }));

Deno.test("evaluateReading() has the perplexity of a prompt's slices where everything is read", () =>
  withModel(async (model) => {
    const ids = tinyPrompt(513, 1);
    const texts = [{ name: "made up", ids }];
    const plan = { codec: EXACT, methods: METHODS.slice(1, 2), texts, contextLength: 512 };
    const [report] = await evaluateReading(model, { ...plan, blockCount: 3 });
    const run = await createSequenceRun(model, {
      promptIds: ids,
      maxTokens: 2,
      profile: { name: "exact" },
    });
    let sum = 0;
    for (let position = 0; position < 512; position += 64) {
      const rows = await run.nextSlice({ wantsLogits: true });
      if (position < 512 - 3 * 64) continue;
      rows.forEach((row, at) => sum += logSumExp(row).logSum - row[ids[position + at + 1]]);
    }
    run.destroy();
    assertEquals(report.positions, 192);
    const perplexity = Math.exp(sum / 192);
    assertAlmostEquals(report.perplexity_all / perplexity, 1, 1e-5);
  }));

Deno.test("evaluateReadRetrieval() asks with everything read and with each method", () =>
  withModel(async (model) => {
    const questions = [tinyPrompt(9, 2), tinyPrompt(3, 4)];
    const cases = questions.map((questionIds, index) => {
      const answerIds = tinyPrompt(3, 8 + index);
      return { kind: "code" as const, key: "", depth: 0, questionIds, answerIds };
    });
    const task = { form: "completion" as const, documentIds: tinyPrompt(448, 1), cases };
    const plan = { codec: EXACT, methods: METHODS.slice(0, 2), tasks: [task] };
    const shown: { message: string; fraction: number }[] = [];
    const reports = await evaluateReadRetrieval(model, plan, (message, fraction) => {
      shown.push({ message, fraction });
    });
    // Two questions with everything and with each of two methods, behind the slices of the prompt.
    const asked = shown.filter(({ message }) => message.includes("question"));
    assertEquals(asked.length, 6);
    assertEquals(asked[5].message, `document 1, ${METHODS[1].id}: question 2 of 2`);
    const fractions = shown.map(({ fraction }) => fraction);
    assertEquals(fractions, fractions.toSorted((a, b) => a - b));
    assertAlmostEquals(fractions.at(-1)!, 0.5 + 0.5 * 5 / 6);
    const [all, enough, two] = reports;
    assertEquals([all.read, enough.read, two.read], ["all", METHODS[0].id, METHODS[1].id]);
    assertEquals([all.cases, all.share, enough.share], [2, 1, 1]);
    assertEquals([enough.log_prob, enough.exact_match], [all.log_prob, all.exact_match]);
    assert(two.log_prob !== all.log_prob && two.share < 1, "what is left out was read");
    assertEquals(formatReadRetrieval(reports).split("\n").length, 5);
  }));

for (const name of ["exact", "balanced"] as const) {
  Deno.test(`hcattention reads what gets a share of the attention, over packed keys too (${name})`, () =>
    withModel(async (model) => {
      const texts = [{ name: "made up", ids: tinyPrompt(513, 1) }];
      const methods = ["tau=1", "tau=0.9", "tau=0.1"].map((tau) =>
        measuredReadMethod(`hcattention:${tau},dense=1`)!
      );
      const codec = name === "exact" ? EXACT : { name, profile: { name }, baseline: null };
      const plan = { codec, methods, texts, contextLength: 512, blockCount: 1 };
      const reports = await evaluateReading(model, plan);
      const [all, most, few] = reports;
      assertEquals([all.share, all.same_top], [1, 1]);
      assertAlmostEquals(all.kl_mean, 0, 1e-7);
      assert(most.share < 1 && few.share < most.share, `${most.share} and ${few.share}`);
      assert(few.kl_mean > most.kl_mean && most.kl_mean > all.kl_mean, "what is left out was read");
      // 7 blocks before the rows, 5 of them sealed; the first of them is always read.
      assert(few.host_values!.chosen_share >= 1 / 5);
      assertEquals(all.host_values!.chosen_share, 1);
      assertEquals(all.host_values!.fetched_blocks, 0);
      assert(most.host_values!.fetched_blocks > 0, "tokens choose other blocks");
      for (const { host_values: own } of reports) {
        const { key_bytes, value_bytes, device_bytes, f16_bytes, chosen_share } = own!;
        // One of two layers reads everything.
        const expected = key_bytes + value_bytes * (1 + chosen_share) / 2;
        assertAlmostEquals(device_bytes, expected, 1e-6);
        assert(key_bytes + value_bytes <= f16_bytes);
      }
      const [title, heads, ...rows] = formatReading(reports).split("\n");
      assert(title.includes("64 positions") && heads.endsWith("smaller than f16"));
      assertEquals(rows.length, 3);
    }));
}

for (const name of ["exact", "balanced", "paper", "int8"] as const) {
  Deno.test(`a share of everything is every bit of it, and left-out blocks count nothing (${name})`, () =>
    withModel(async (model) => {
      const codec = { name, profile: { name }, baseline: null };
      const options = await runOptions(codec, model, () => {});
      const logitsOf = async (
        text: string,
        amounts: readonly { blockCount: number; share: number | null }[],
      ) => {
        const run = await createSequenceRun(model, {
          promptIds: tinyPrompt(330, 1),
          ...options,
          maxTokens: 2,
          decodeRowCount: 3,
          read: measuredReadMethod(text),
        });
        for (let slice = 0; slice < 6; slice++) await run.nextSlice({ wantsLogits: false });
        const logits: Float32Array[][] = [];
        for (const amount of amounts) {
          run.setRead(amount);
          const own = await run.decodeRows([5, 6, 7], { from: "behind it" });
          logits.push(own.map((row) => row.slice()));
        }
        run.destroy();
        return logits;
      };
      const [dense, first] = await logitsOf("quest:blocks=1,dense=0", [
        { blockCount: Infinity, share: null },
        { blockCount: 1, share: null },
      ]);
      // The window alone has more than a thousandth: the first block is read, as always.
      const [all, least] = await logitsOf("hcattention:tau=1,dense=0", [
        { blockCount: Infinity, share: 1 },
        { blockCount: Infinity, share: 0.001 },
      ]);
      all.forEach((row, index) => assertSameBits(row, dense[index]));
      least.forEach((row, index) => assertNear(row, first[index], 1e-10));
      assert(least[2].some((logit, id) => Math.abs(logit - dense[2][id]) > 1e-4));
    }));
}

Deno.test("values are fetched of blocks that the row before did not read, by any KV head", () => {
  // By row, then KV head: the blocks that are read.
  const chosen = [[[0, 1], [0]], [[0, 2], [0, 1]], [[0, 2], [0, 1]], [[0], [0, 1, 2, 3]]];
  const sets = {
    has: ({ row, kvHead, block }: { row: number; kvHead: number; block: number }) =>
      chosen[row][kvHead].includes(block),
  };
  const sum = noFetches();
  addFetches(sum, { sets, stores: [3], kvHeadCount: 2, blockCount: 4, rowCount: 4 });
  // Row 1: block 2 of the one head, 1 of the other. Row 3: 2 and 3.
  assertEquals(sum, { chosen: 16, readable: 32, fetched: 4, followingRows: 3 });
  const bytes = { k: { raw: 1000, packed: 100 }, v: { raw: 1000, packed: 80 } };
  const values = hostValues(sum, { bytes, denseShare: 0.25 });
  assertAlmostEquals(values.fetched_blocks, 4 / 3, 1e-12);
  assertAlmostEquals(values.device_bytes, 100 + 80 * (0.25 + 0.75 * 0.5), 1e-9);
  assertEquals([values.f16_bytes, values.chosen_share], [2000, 0.5]);
});
