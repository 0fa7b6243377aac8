import { assert } from "@std/assert";
import { DeltaKvCodec } from "../../../src/codec/deltakv/codec.ts";
import { DELTAKV_PROFILES } from "../../../src/codec/deltakv/settings.ts";
import { rawTileWords } from "../../../src/codec/record.ts";
import { ENTRY_WORDS, entryWords, readEntry } from "../../../src/core/row.ts";
import { BlockUnpackDeltaKvKernel } from "../../../src/kernels/block_unpack/deltakv.ts";
import { blockUnpackDeltaKvReference } from "../../../src/reference/block_unpack/deltakv.ts";
import { type AttentionCase, caseShape, makeAttentionCase } from "../../support/attention_case.ts";
import { describedTile, sampleTurns } from "../../support/described_tiles.ts";
import { testGpu } from "../../support/gpu.ts";
import { assertUnpacks, UNPACK_LENGTHS } from "../../support/unpack_runs.ts";

const CASES = [
  { heads: { kvHeadCount: 3, groupSize: 1, headSize: 64 }, settings: {} },
  {
    // More sections than a word has flags, and codes of 8 bits.
    heads: { kvHeadCount: 17, groupSize: 1, headSize: 32 },
    settings: { keyRel: 1 / 254, packSize: 32, stride: 16, neighbourCount: 1 },
  },
] as const;

/** Sealed blocks of seeded sequences, of which every other one is described. */
function caseOf({ heads, settings }: typeof CASES[number]) {
  const shape = caseShape(heads, { blocksPerSplit: 2, blockCountMax: 8 });
  const turns = sampleTurns(heads.headSize);
  const profile = DELTAKV_PROFILES.profile({ name: "deltakv", ...settings });
  const codec = new DeltaKvCodec(shape, profile, [turns]);
  const raw = makeAttentionCase(shape, UNPACK_LENGTHS, "raw");
  const directory = new Uint32Array(raw.directory.length);
  const words: number[] = new Array(8).fill(0);
  const hasTable: boolean[] = [];
  for (let index = 0; index * ENTRY_WORDS < directory.length; index++) {
    const entry = readEntry(raw.directory, index);
    if (entry.word === 0) continue;
    const tile = index % 2 === 0
      ? raw.arena.slice(entry.word, entry.word + rawTileWords(shape))
      : describedTile(shape, { seed: index, noise: 0.3, turns });
    const record = codec.pack(tile, { layer: 0 });
    directory.set(entryWords({ ...entry, word: words.length }), index * ENTRY_WORDS);
    hasTable.push(codec.layout.hasTable(record));
    words.push(...record);
  }
  const arena = Uint32Array.from([...words, 0, 0, 0, 0]);
  const packed: AttentionCase = { ...raw, arena, directory, layout: null };
  return { codec, packed, hasTable };
}

for (const own of CASES) {
  Deno.test(`BlockUnpackDeltaKvKernel equals its reference bit for bit, of blocks with a table and without (${JSON.stringify(own)})`, async () => {
    const gpu = await testGpu();
    const { codec, packed, hasTable } = caseOf(own);
    assert(hasTable.includes(true) && hasTable.includes(false));
    const { layout } = codec;
    const words = codec.turnWordsOf(0);
    const kernel = await BlockUnpackDeltaKvKernel.create(gpu, { layout });
    const turns = gpu.createBufferWith("turns", words);
    await assertUnpacks(packed, {
      encode: (pass, buffers) => kernel.encode(pass, kernel.bind({ ...buffers, turns }), 4),
      reference: (segment) => blockUnpackDeltaKvReference({ layout, turns: words, ...segment }),
    });
  });
}
