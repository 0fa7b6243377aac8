import { assertEquals, assertLess } from "@std/assert";
import { BIAS_COUNT_MAX } from "../../src/core/sampling.ts";
import {
  ADJUST_SETTINGS_SIZE_BYTES,
  adjustSettingsWords,
  BIAS_SIZE_BYTES,
  biasWords,
  LogitsAdjustKernel,
  maskWordCount,
  tokenCountWords,
} from "../../src/kernels/logits_adjust/row.ts";
import { type AdjustCase, logitsAdjustReference } from "../../src/reference/logits_adjust.ts";
import { readF32, readU32, submitPass, testGpu } from "../support/gpu.ts";
import { seededNormals, seededRandom } from "../support/numeric.ts";

/** Two f32 operations on values up to 100, one of them a division of 2.5 ulp. */
const ERROR_MAX = 5e-5;

const NEUTRAL: AdjustCase = {
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  logitBias: [],
  promptIds: [],
  generatedIds: [],
  allowedIds: null,
};

interface RowCase extends AdjustCase {
  why: string;
  /** Whether the last generated token is the one the row feeds, not counted before. */
  feeds: boolean;
}

function casesOf(vocabSize: number): RowCase[] {
  const random = seededRandom(vocabSize);
  const ids = (count: number) =>
    Array.from({ length: count }, () => Math.floor(random() * vocabSize));
  const all = { repetitionPenalty: 1.3, frequencyPenalty: 0.7, presencePenalty: -0.4 };
  const bias = [...new Set(ids(40))].map((id, i) => [id, i % 2 === 0 ? 100 : -3.25] as const);
  const many = Array.from({ length: Math.min(BIAS_COUNT_MAX, vocabSize) }, (_, id) => {
    return [id, id / 64 - 8] as const;
  });
  return [
    { ...NEUTRAL, why: "nothing", feeds: false },
    { ...NEUTRAL, why: "nothing, fed", generatedIds: ids(3), feeds: true },
    { ...NEUTRAL, why: "repetition", repetitionPenalty: 1.7, promptIds: ids(30), feeds: false },
    {
      ...NEUTRAL,
      why: "rewarded repetition",
      repetitionPenalty: 0.5,
      promptIds: ids(9),
      feeds: false,
    },
    {
      ...NEUTRAL,
      why: "frequency",
      frequencyPenalty: 2,
      generatedIds: [1, 1, 1, 5, 1],
      feeds: true,
    },
    { ...NEUTRAL, why: "presence", presencePenalty: 1.5, generatedIds: [1, 1, 2], feeds: false },
    { ...NEUTRAL, why: "bias", logitBias: bias, feeds: false },
    { ...NEUTRAL, why: "bias of as many as there may be", logitBias: many, feeds: false },
    { ...NEUTRAL, why: "mask", allowedIds: new Set(ids(20)), feeds: false },
    { ...NEUTRAL, why: "mask of one", allowedIds: new Set([vocabSize - 1]), feeds: false },
    {
      ...all,
      why: "all",
      logitBias: bias,
      promptIds: ids(50),
      generatedIds: ids(50),
      allowedIds: new Set(ids(90)),
      feeds: true,
    },
  ];
}

function maskWords(vocabSize: number, allowedIds: ReadonlySet<number>): Uint32Array {
  const words = new Uint32Array(maskWordCount(vocabSize));
  for (const id of allowedIds) words[id >> 5] |= 1 << (id & 31);
  return words;
}

/** Runs all cases in one dispatch; adjusted logits by row, and counts by slot. */
async function adjust(vocabSize: number, cases: readonly RowCase[], logits: Float32Array) {
  const gpu = await testGpu();
  const kernel = await LogitsAdjustKernel.create(gpu, { vocabSize });
  const count = cases.length;
  const slotOf = (row: number) => count - 1 - row;
  const rows = new Uint32Array(count * 4);
  const make = (words: number) => gpu.createBuffer("slots", count * words * 4);
  const buffers = {
    logits: gpu.createBufferWith("logits", logits),
    rows: gpu.createBuffer("rows", rows.byteLength),
    settings: make(ADJUST_SETTINGS_SIZE_BYTES / 4),
    ids: make(1),
    mask: make(maskWordCount(vocabSize)),
    bias: make(BIAS_SIZE_BYTES / 4),
    counts: make(vocabSize),
    adjusted: gpu.createBuffer("adjusted", logits.byteLength),
  };
  cases.forEach((each, row) => {
    const slot = slotOf(row);
    const known = each.feeds ? each.generatedIds.slice(0, -1) : each.generatedIds;
    const isMasked = each.allowedIds !== null;
    const write = (buffer: GPUBuffer, words: number, data: Uint32Array) =>
      gpu.write(buffer, slot * words * 4, data);
    rows.set([slot, row, each.feeds ? 1 : 0, row], row * 4); // masks are in the order of rows
    write(buffers.settings, 8, adjustSettingsWords(each, { isMasked }));
    write(buffers.ids, 1, Uint32Array.of(each.generatedIds.at(-1) ?? 0));
    const bias = biasWords(each.logitBias);
    if (bias.length > 0) write(buffers.bias, BIAS_SIZE_BYTES / 4, bias);
    const { promptIds } = each;
    const counts = tokenCountWords(vocabSize, { promptIds, generatedIds: known });
    write(buffers.counts, vocabSize, counts);
    const { allowedIds } = each;
    const maskBytes = maskWordCount(vocabSize) * 4;
    if (allowedIds) gpu.write(buffers.mask, row * maskBytes, maskWords(vocabSize, allowedIds));
  });
  gpu.write(buffers.rows, 0, rows);
  const bound = kernel.bind(buffers);
  submitPass(gpu, (pass) => kernel.encode(pass, bound, count));
  const adjusted = await readF32(gpu, buffers.adjusted, logits.length);
  const counts = await readU32(gpu, buffers.counts, count * vocabSize);
  for (const buffer of Object.values(buffers)) gpu.destroyBuffer(buffer);
  const part = <T>(values: { subarray(a: number, b: number): T }, index: number) =>
    values.subarray(index * vocabSize, (index + 1) * vocabSize);
  return cases.map((_, row) => ({
    adjusted: part(adjusted, row),
    counts: part(counts, slotOf(row)),
  }));
}

for (const vocabSize of [97, 1024, 4999]) {
  Deno.test(`LogitsAdjustKernel changes ${vocabSize} logits as the reference does`, async (t) => {
    const cases = casesOf(vocabSize);
    const logits = seededNormals(cases.length * vocabSize, 3, 8);
    const results = await adjust(vocabSize, cases, logits);
    for (const [row, each] of cases.entries()) {
      await t.step(each.why, () => {
        const own = logits.subarray(row * vocabSize, (row + 1) * vocabSize);
        const wanted = logitsAdjustReference(own, each);
        results[row].adjusted.forEach((value, id) => {
          const error = Math.abs(value - wanted[id]) / Math.max(1, Math.abs(wanted[id]) / 100);
          assertLess(error, ERROR_MAX, `logit ${id} is ${value}, wanted ${wanted[id]}`);
        });
      });
    }
  });
}

Deno.test("LogitsAdjustKernel counts the token a row feeds, once, and only where it must", async () => {
  const base = { ...NEUTRAL, generatedIds: [4, 9, 4], feeds: true };
  const cases = [
    { ...base, why: "counted", presencePenalty: 1 },
    { ...base, why: "not asked for" },
    { ...base, why: "a prompt token", repetitionPenalty: 2, promptIds: [4] },
  ];
  const results = await adjust(97, cases, new Float32Array(3 * 97));
  assertEquals(results.map(({ counts }) => counts[4]), [2, 1, 0x80000002]);
  assertEquals(results.map(({ counts }) => counts[9]), [1, 1, 1]);
});
