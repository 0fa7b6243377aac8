/**
 * Time of one row's attention to the sealed blocks of a layer against the share of them that it
 * reads, choosing included: the shape of an 8B model, `balanced`, random K and V.
 */

import { pointWords } from "../../src/codec/banded/points.ts";
import { ENTRY_WORDS, rowWords } from "../../src/core/row.ts";
import { readerWords } from "../../src/codec/banded/tables.ts";
import { bandedCache } from "../../src/device_report/codecs/banded_cache.ts";
import { REPORT_MODELS } from "../../src/device_report/models.ts";
import { AttentionDecodeBandedKernel } from "../../src/kernels/attention_decode/banded.ts";
import { BlockScoresKernel } from "../../src/kernels/block_scores/summary.ts";
import { BlockSelectKernel } from "../../src/kernels/block_select/top.ts";
import { sealedSplitCount } from "../../src/kernels/text/attention.ts";
import { seededNormals } from "../../tests/support/numeric.ts";
import { benchKernel, openBenchGpu } from "../support/bench_kernel.ts";

const DEPTH = Number(Deno.env.get("BENCH_DEPTH") ?? 32768);

const context = await openBenchGpu();
const { gpu } = context;
const model = REPORT_MODELS.find(({ name }) => name === "8B")!;
const cache = bandedCache(gpu, model, DEPTH);
const { shape, splits, layout, row } = cache;
const { q, rows, arena, directory, partials } = cache.buffers;
const { kvHeadCount, headSize } = model;
const listCountMax = row.listCount;
const attention = await AttentionDecodeBandedKernel.create(gpu, { shape, splits, layout });
const tables = gpu.createBufferWith("tables", readerWords(cache.tables));
const points = gpu.createBufferWith("points", pointWords());
const scoring = await BlockScoresKernel.create(gpu, { shape, kind: "range", listCountMax });
const select = await BlockSelectKernel.create(gpu, { kvHeadCount, listCountMax });
const entryCount = kvHeadCount * listCountMax;
const values = seededNormals(2 * listCountMax * kvHeadCount * headSize, 1);
const halves = new Uint32Array(new Float16Array(values).buffer);
const summaries = gpu.createBufferWith("summaries", halves);
const scores = gpu.createBuffer("scores", entryCount * 4);
const lists = gpu.createBuffer("lists", entryCount * ENTRY_WORDS * 4);
const boundScores = scoring.bind({ q, rows, summaries, scores });

const group = `attention of a row to ${listCountMax} sealed blocks, 8B`;
const arenaBytes = arena.size;
const boundAll = attention.bind({ q, rows, arena, directory, partials, tables, points });
const work = (listCount: number) => ({ bytes: arenaBytes * listCount / listCountMax });
benchKernel(
  "all, not chosen",
  { group, baseline: true, work: work(listCountMax) },
  context,
  (pass) => {
    attention.encode(pass, boundAll, {
      rowCount: 1,
      splitCount: sealedSplitCount(listCountMax, splits),
    });
  },
);
for (const share of [1, 1 / 2, 1 / 4, 1 / 8, 1 / 16]) {
  const listCount = Math.ceil(share * listCountMax);
  const own = { ...row, listStart: 0, listStride: listCountMax, listCount };
  const chosen = gpu.createBufferWith("chosen", rowWords([own]));
  const boundSelect = select.bind({ rows, chosen, directory, scores, lists });
  const bound = attention.bind({
    q,
    rows: chosen,
    arena,
    directory: lists,
    partials,
    tables,
    points,
  });
  const splitCount = sealedSplitCount(listCount, splits);
  benchKernel(`${listCount} chosen`, { group, work: work(listCount) }, context, (pass) => {
    scoring.encode(pass, boundScores, { rowCount: 1, listCount: listCountMax });
    select.encode(pass, boundSelect, 1);
    attention.encode(pass, bound, { rowCount: 1, splitCount });
  });
}
benchKernel("choosing alone", { group, work: { bytes: halves.byteLength } }, context, (pass) => {
  scoring.encode(pass, boundScores, { rowCount: 1, listCount: listCountMax });
});
