import { assertEquals } from "@std/assert";
import { rowWords } from "../../src/core/row.ts";
import { AttentionScoresKernel, observedWords } from "../../src/kernels/attention_scores/raw.ts";
import { AttentionPrefillKernel } from "../../src/kernels/attention_prefill/raw.ts";
import { partialsWords, sealedSplitCount } from "../../src/kernels/text/attention.ts";
import { attentionScoresReference } from "../../src/reference/attention_scores.ts";
import {
  type AttentionCase,
  type CaseShape,
  caseShape,
  makeAttentionCase,
  rowOf,
} from "../support/attention_case.ts";
import { readU32, submitPass, testGpu } from "../support/gpu.ts";
import { assertNear, seededNormals } from "../support/numeric.ts";

/** f16 keys in f32 sums of 64 products, and exp of scores of some tens. */
const NMSE_MAX = 1e-10;
const TOKEN_COUNT_MAX = 512;
/** 300 tokens: two sealed blocks, and a window whose last tile is not full. */
const LENGTH = 300;

const CASES = [
  { heads: { kvHeadCount: 2, groupSize: 3, headSize: 64 }, sinkCount: 0, softCap: null },
  { heads: { kvHeadCount: 1, groupSize: 4, headSize: 96 }, sinkCount: 4, softCap: 20 },
];

for (const { heads, sinkCount, softCap } of CASES) {
  const what = `heads of ${heads.headSize}, ${sinkCount} sinks apart, ${softCap ?? "no"} cap`;
  Deno.test(`AttentionScoresKernel sums the attention of a prompt's last rows, in one slice or two, at ${what}`, async () => {
    const splits = caseShape(heads, { blocksPerSplit: 2, blockCountMax: 8 });
    const shape = { ...splits, softCap };
    const attention = makeAttentionCase(shape, [80, LENGTH], "raw", { scale: 3 });
    const learned = softCap ? seededNormals(shape.queryHeadCount, 9) : undefined;
    const { blockCountMax } = attention;
    const rowsFrom = (first: number, end: number) =>
      rowWords(
        Array.from({ length: end - first }, (_, row) =>
          rowOf({ slot: 1, position: first + row, blockCount: 2 }, blockCountMax)),
      );
    const width = shape.queryHeadCount * shape.headSize;
    const q = seededNormals(64 * width, 4).map((value) => 2 * value);
    const inputs = { ...attention, q: q.subarray(10 * width), sinkCount };
    const expected = attentionScoresReference(shape, {
      ...inputs,
      rows: rowsFrom(266, LENGTH),
      firstRow: 6,
      ...(learned ? { sinks: learned } : {}),
    });
    const given = { shape, attention, learned, q, sinkCount, rowsFrom };
    const run = (slices: Slice[]) => runSlices(given, slices);
    const whole = await run([[266, LENGTH, 6]]);
    const part = (from: number) => whole.subarray(from, from + LENGTH);
    assertNear(part(TOKEN_COUNT_MAX), expected.sums, NMSE_MAX, "sums");
    for (const [head, own] of expected.last.entries()) {
      assertNear(part((2 + head) * TOKEN_COUNT_MAX), own, NMSE_MAX, `last of head ${head}`);
    }
    const twice = await run([[266, 280, 6], [280, LENGTH, 0]]);
    assertEquals(twice.subarray(0, 3 * TOKEN_COUNT_MAX), whole.subarray(0, 3 * TOKEN_COUNT_MAX));
  });
}

/** First position, end, and the first row that is observed. */
type Slice = [first: number, end: number, firstRow: number];

interface Given {
  shape: CaseShape;
  attention: AttentionCase;
  learned: Float32Array | undefined;
  q: Float32Array;
  sinkCount: number;
  rowsFrom: (first: number, end: number) => Uint32Array;
}

/** Attends to slices and sums up what tokens got, as a prompt is read. */
async function runSlices(
  { shape, attention, learned, q, sinkCount, rowsFrom }: Given,
  slices: readonly Slice[],
): Promise<Float32Array> {
  const width = shape.queryHeadCount * shape.headSize;
  const gpu = await testGpu();
  const scores = gpu.createBuffer(
    "scores",
    (2 + shape.queryHeadCount) * TOKEN_COUNT_MAX * 4,
  );
  const options = { shape, splits: shape, tokenCountMax: TOKEN_COUNT_MAX, sinkCount };
  const hasSinks = learned !== undefined;
  const partials = gpu.createBuffer("partials", partialsWords(shape, shape, 64) * 4);
  for (const [index, [first, end, firstRow]] of slices.entries()) {
    const rowCount = end - first;
    const lastStart = 2 * TOKEN_COUNT_MAX;
    const observed = gpu.createBuffer("observed", 16, {
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    gpu.write(
      observed,
      0,
      observedWords({ firstRow, rowCount, isFirst: index === 0, lastStart }),
    );
    const common = {
      q: gpu.createBufferWith("q", q.slice((first - 256) * width)),
      rows: gpu.createBufferWith("rows", rowsFrom(first, end)),
      partials,
    };
    const sliceInfo = gpu.createBufferWith("slice", Uint32Array.of(rowCount, 0));
    for (const source of ["arena", "window"] as const) {
      const tiles = gpu.createBufferWith("tiles", attention[source]);
      const directory = source === "arena"
        ? { directory: gpu.createBufferWith("directory", attention.directory) }
        : {};
      const attend = await AttentionPrefillKernel.create(gpu, { shape, splits: shape, source });
      const bound = attend.bind({ ...common, slice: sliceInfo, tiles, ...directory });
      const splitCount = source === "arena" ? sealedSplitCount(2, shape) : 3;
      submitPass(gpu, (pass) => attend.encode(pass, bound, { rowCount, splitCount }));
    }
    for (const source of ["arena", "window"] as const) {
      const tiles = gpu.createBufferWith("tiles", attention[source]);
      const directory = source === "arena"
        ? { directory: gpu.createBufferWith("directory", attention.directory) }
        : {};
      const kernel = await AttentionScoresKernel.create(gpu, { ...options, source, hasSinks });
      const sinks = learned ? { sinks: gpu.createBufferWith("sinks", learned) } : {};
      const bound = kernel.bind({ ...common, tiles, observed, scores, ...directory, ...sinks });
      submitPass(gpu, (pass) => kernel.encode(pass, bound, source === "arena" ? 2 : 3));
    }
  }
  const words = await readU32(gpu, scores, scores.size / 4);
  return new Float32Array(words.buffer, words.byteOffset, words.length);
}
