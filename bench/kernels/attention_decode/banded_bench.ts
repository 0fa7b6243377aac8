import { pointWords } from "../../../src/codec/banded/points.ts";
import { readerWords } from "../../../src/codec/banded/tables.ts";
import { AttentionDecodeBandedKernel } from "../../../src/kernels/attention_decode/banded.ts";
import { AttentionDecodePaperKernel } from "../../../src/kernels/attention_decode/paper.ts";
import { AttentionDecodeRawKernel } from "../../../src/kernels/attention_decode/raw.ts";
import { partialsWords, sealedSplitCount } from "../../../src/kernels/text/attention.ts";
import { caseShape, makeAttentionCase } from "../../../tests/support/attention_case.ts";
import {
  fittingTables,
  makeBandedAttentionCase,
} from "../../../tests/support/banded_attention_case.ts";
import { PAPER } from "../../support/attention_fixture.ts";
import { benchKernel, openBenchGpu } from "../../support/bench_kernel.ts";

const context = await openBenchGpu();
const { gpu } = context;

/** Sealed blocks of the cases: depths of 1K, 4K, 8K, and more where a GPU is asked for. */
const BLOCK_COUNTS = (Deno.env.get("BENCH_DEPTHS") ?? "1024,4096,8192").split(",")
  .map((depth) => Number(depth) / 64);

for (const blockCount of BLOCK_COUNTS) {
  const group = `attention_decode/banded, one row over ${blockCount * 64} sealed tokens`;
  const shape = caseShape({ kvHeadCount: 3, groupSize: 3, headSize: 64 }, {
    blocksPerSplit: 4,
    blockCountMax: blockCount + 2,
  });
  const lengths = [(blockCount + 2) * 64];
  const macs = 2 * blockCount * 64 * shape.queryHeadCount * shape.headSize;
  const splitCount = sealedSplitCount(blockCount, shape);
  const grid = { rowCount: 1, splitCount };
  const options = { shape, splits: shape };
  const buffers = (attention: ReturnType<typeof makeAttentionCase>) => ({
    q: gpu.createBufferWith("q", attention.q),
    rows: gpu.createBufferWith("rows", attention.rows),
    arena: gpu.createBufferWith("arena", attention.arena),
    directory: gpu.createBufferWith("directory", attention.directory),
    partials: gpu.createBuffer("partials", partialsWords(shape, shape, 1) * 4),
  });

  const raw = makeAttentionCase(shape, lengths, "raw");
  const { arena: tiles, ...rest } = buffers(raw);
  const rawKernel = await AttentionDecodeRawKernel.create(gpu, { ...options, source: "arena" });
  const rawBound = rawKernel.bind({ ...rest, tiles });
  const rawWork = { bytes: raw.arena.byteLength, macs };
  benchKernel("raw f16 blocks", { group, baseline: true, work: rawWork }, context, (pass) => {
    rawKernel.encode(pass, rawBound, grid);
  });

  const packed = makeAttentionCase(shape, lengths, PAPER);
  const layout = packed.layout!;
  const packedKernel = await AttentionDecodePaperKernel.create(gpu, { ...options, layout });
  const packedBound = packedKernel.bind(buffers(packed));
  const packedWork = { bytes: packed.arena.byteLength, macs };
  benchKernel("published records", { group, work: packedWork }, context, (pass) => {
    packedKernel.encode(pass, packedBound, grid);
  });

  const tables = fittingTables(shape, 1);
  const banded = makeBandedAttentionCase(shape, lengths, { sinkCount: 4, tables });
  const kernel = await AttentionDecodeBandedKernel.create(gpu, {
    ...options,
    layout: banded.banded,
  });
  const tableBuffer = gpu.createBufferWith("tables", readerWords(tables));
  const bound = kernel.bind({
    ...buffers(banded),
    tables: tableBuffer,
    points: gpu.createBufferWith("points", pointWords()),
  });
  const work = { bytes: banded.arena.byteLength, macs };
  benchKernel("banded records", { group, work }, context, (pass) => {
    kernel.encode(pass, bound, grid);
  });
}
