import { assert, assertEquals } from "@std/assert";
import type { TokenLogprobs } from "../../src/core/sampling.ts";
import {
  LOGPROB_RESULT_SIZE_BYTES,
  readLogprobs,
  TokenLogprobsKernel,
} from "../../src/kernels/token_logprobs/row.ts";
import { tokenLogprobsReference } from "../../src/reference/token_logprobs.ts";
import { readU32, submitPass, testGpu } from "../support/gpu.ts";
import { seededNormals } from "../support/numeric.ts";

/** Sums of up to 262,144 exponentials in f32, and a logarithm. */
const ERROR_MAX = 2e-5;

interface Asked {
  row: number;
  id: number;
  topCount: number;
}

/** Runs the kernel over rows of `vocabSize` logits. */
async function logprobs(
  logits: Float32Array,
  asked: readonly Asked[],
  options: { vocabSize: number; workgroupSize?: number },
): Promise<TokenLogprobs[]> {
  const gpu = await testGpu();
  const kernel = await TokenLogprobsKernel.create(gpu, options);
  const wanted = asked.flatMap(({ row, topCount }, index) => [row, index, topCount, 0]);
  const buffers = {
    logits: gpu.createBufferWith("logits", logits),
    wanted: gpu.createBufferWith("wanted", Uint32Array.from(wanted)),
    ids: gpu.createBufferWith("ids", Uint32Array.from(asked, ({ id }) => id)),
    results: gpu.createBuffer("results", asked.length * LOGPROB_RESULT_SIZE_BYTES),
  };
  const bound = kernel.bind(buffers);
  submitPass(gpu, (pass) => kernel.encode(pass, bound, asked.length));
  const words = await readU32(gpu, buffers.results, asked.length * LOGPROB_RESULT_SIZE_BYTES / 4);
  for (const buffer of Object.values(buffers)) gpu.destroyBuffer(buffer);
  return asked.map(({ topCount }, index) => readLogprobs(words, index, topCount));
}

function assertReport(actual: TokenLogprobs, wanted: TokenLogprobs): void {
  const all = [actual, ...actual.top];
  [wanted, ...wanted.top].forEach(({ id, logprob }, index) => {
    assertEquals(all[index].id, id, `id ${index}`);
    const error = Math.abs(all[index].logprob - logprob);
    assert(error <= ERROR_MAX, `log-probability ${index} is off by ${error}`);
  });
  assertEquals(actual.top.length, wanted.top.length);
}

for (const vocabSize of [20, 97, 1024, 4999, 49152, 262144]) {
  Deno.test(`TokenLogprobsKernel reports as the reference does on ${vocabSize} tokens`, async () => {
    const rowCount = vocabSize > 50_000 ? 1 : 3;
    const logits = seededNormals(rowCount * vocabSize, vocabSize, 3.5);
    const asked = [0, 1, 5, 20].flatMap((topCount) => [
      { row: rowCount - 1, id: vocabSize - 1, topCount },
      { row: 0, id: topCount % vocabSize, topCount },
    ]);
    const actual = await logprobs(logits, asked, { vocabSize });
    asked.forEach(({ row, id, topCount }, index) => {
      const own = logits.subarray(row * vocabSize, (row + 1) * vocabSize);
      assertReport(actual[index], tokenLogprobsReference(own, id, topCount));
    });
  });
}

Deno.test("TokenLogprobsKernel finds all that one lane has of the largest vocabulary", async () => {
  const vocabSize = 2 ** 18;
  const logits = new Float32Array(vocabSize).fill(-4);
  const best = Array.from({ length: 20 }, (_, rank) => (rank * 13 + 5) * 64);
  best.forEach((id, rank) => logits[id] = 5 - rank / 8);
  const [actual] = await logprobs(logits, [{ row: 0, id: 8, topCount: 20 }], { vocabSize });
  assertEquals(actual.top.map(({ id }) => id), best);
});

for (const workgroupSize of [16, 64, 256, 512]) {
  Deno.test(`TokenLogprobsKernel orders equal logits by id with ${workgroupSize} lanes`, async () => {
    const vocabSize = 1500;
    const logits = new Float32Array(vocabSize).fill(-4);
    for (const id of [1499, 700, 3, 64, 65, 1000]) logits[id] = 2;
    const asked = [{ row: 0, id: 8, topCount: 20 }];
    const [actual] = await logprobs(logits, asked, { vocabSize, workgroupSize });
    assertReport(actual, tokenLogprobsReference(logits, 8, 20));
    assertEquals(actual.top.slice(0, 7).map(({ id }) => id), [3, 64, 65, 700, 1000, 1499, 0]);
  });
}

Deno.test("TokenLogprobsKernel keeps its precision far from the most likely token", async () => {
  const logits = new Float32Array(97).fill(-80);
  logits.set([30, 29.5, -79.5]);
  const asked = [0, 1, 2, 50].map((id) => ({ row: 0, id, topCount: 3 }));
  const actual = await logprobs(logits, asked, { vocabSize: 97 });
  actual.forEach((each, index) => {
    assertReport(each, tokenLogprobsReference(logits, asked[index].id, 3));
  });
});
