/** Splits that are attended to in several rounds, as where workgroup memory is small. */

import { readRow, rowWords } from "../../src/core/row.ts";
import type { AdapterFacts } from "../../src/gpu/gpu.ts";
import { attentionDecodeBandedReference } from "../../src/reference/attention_decode/banded.ts";
import { attentionDecodePaperReference } from "../../src/reference/attention_decode/paper.ts";
import { attentionDecodeRawReference } from "../../src/reference/attention_decode/raw.ts";
import { attentionPrefillReference } from "../../src/reference/attention_prefill.ts";
import { caseShape, makeAttentionCase } from "../support/attention_case.ts";
import {
  runDecodeBanded,
  runDecodePaper,
  runDecodeRaw,
  runPrefill,
} from "../support/attention_runs.ts";
import { fittingTables, makeBandedAttentionCase } from "../support/banded_attention_case.ts";
import { testGpu } from "../support/gpu.ts";
import { assertNear, seededNormals } from "../support/numeric.ts";

/** As in one round. */
const NMSE_MAX = 1e-10;

/** A block's scores take 1 KiB, and q as much: 2 blocks of a split of 4 fit. */
const MEMORY_BYTES = 3 * 1024 + 512;

const HEADS = { kvHeadCount: 1, groupSize: 3, headSize: 64 };
const shape = caseShape(HEADS, { blocksPerSplit: 4, blockCountMax: 8 });

/** Sealed blocks: a split of one round, one of two, and a last one that is not full. */
const LENGTHS = [192, 448, 600];

async function smallFacts(bytes: number): Promise<AdapterFacts> {
  return { ...(await testGpu()).facts, workgroupMemoryBytesMax: bytes };
}

for (const scale of [1, 4000]) {
  Deno.test(`attention_decode/raw joins the rounds of a split with queries of ${scale}`, async () => {
    const attention = makeAttentionCase(shape, LENGTHS, "raw", { scale });
    const { q, rows, arena: tiles, directory } = attention;
    const inputs = { q, rows, tiles, directory };
    const actual = await runDecodeRaw(attention, "arena", await smallFacts(MEMORY_BYTES));
    assertNear(actual, attentionDecodeRawReference(shape, inputs), scale === 1 ? NMSE_MAX : 1e-4);
  });
}

Deno.test("attention_decode/paper joins the rounds of a split", async () => {
  for (const packSize of [4, 16] as const) {
    const attention = makeAttentionCase(shape, LENGTHS, { packSize, keyRel: 0.1, valueRel: 0.2 });
    const inputs = { ...attention, layout: attention.layout! };
    const actual = await runDecodePaper(attention, await smallFacts(MEMORY_BYTES + 1024));
    assertNear(actual, attentionDecodePaperReference(shape, inputs), NMSE_MAX);
  }
});

Deno.test("attention_decode/banded joins the rounds of a split", async () => {
  const form = { sinkCount: 4, tables: fittingTables(shape, 0.4) };
  for (const headSize of [64, 128]) {
    const wide = caseShape({ ...HEADS, headSize }, { blocksPerSplit: 4, blockCountMax: 8 });
    const tables = headSize === 64 ? form.tables : fittingTables(wide, 0.4);
    const attention = makeBandedAttentionCase(wide, LENGTHS, { ...form, tables });
    const inputs = { ...attention, layout: attention.banded };
    const actual = await runDecodeBanded(attention, await smallFacts(MEMORY_BYTES - 1024));
    assertNear(actual, attentionDecodeBandedReference(wide, inputs), NMSE_MAX);
  }
});

Deno.test("attention_prefill joins the rounds of a split", async () => {
  const attention = makeAttentionCase(shape, [200, 600], "raw");
  const { arena: tiles, directory } = attention;
  const last = readRow(attention.rows, 1);
  const rows = rowWords([597, 598, 599].map((position) => ({ ...last, position })));
  const q = seededNormals(3 * shape.queryHeadCount * shape.headSize, 9);
  const inputs = { q, rows, tiles, directory };
  const facts = await smallFacts(2 * MEMORY_BYTES);
  const actual = await runPrefill(shape, "arena", { inputs, splitCount: 2, facts });
  assertNear(actual, attentionPrefillReference(shape, inputs), NMSE_MAX);
});
