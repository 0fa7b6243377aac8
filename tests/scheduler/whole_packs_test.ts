import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { BandedCodec } from "../../src/codec/banded/codec.ts";
import { BANDED_PROFILES } from "../../src/codec/banded/settings.ts";
import { sideCodeWords } from "../../src/codec/scratch.ts";
import { kvGatherBandedReference } from "../../src/reference/kv_gather/banded.ts";
import { kvPackBandedReference } from "../../src/reference/kv_pack/banded.ts";
import { Compaction } from "../../src/scheduler/keep/compaction.ts";
import { wholePacks } from "../../src/scheduler/keep/whole_packs.ts";
import { fittingTables } from "../support/banded_attention_case.ts";
import { SAMPLE_KINDS, sampleTile } from "../support/codec_samples.ts";
import { seededRandom } from "../support/numeric.ts";

const SHAPE = { kvHeadCount: 1, headSize: 32 };
const BLOCK_COUNT = 5;
const SEALED = BLOCK_COUNT * 64;
const SINK_COUNTS = [0, 2, 4, 7, 16];

/** What methods choose: chunks of some tokens, or tokens one by one; the first four always. */
function choices(seed: number): number[][] {
  const random = seededRandom(seed);
  const chunks = (size: number, share: number) => {
    const isKept = Array.from({ length: SEALED / size + 1 }, () => random() < share);
    return Array.from({ length: SEALED }, (_, token) => token)
      .filter((token) =>
        token < 16 && token < 4 + 12 * (seed % 2) || isKept[Math.floor(token / size)]
      );
  };
  const newest = Array.from({ length: SEALED }, (_, token) => token)
    .filter((token) => token < 16 || token >= 131);
  return [chunks(16, 0.5), chunks(10, 0.3), chunks(1, 0.4), chunks(16, 0.1), newest, chunks(64, 1)];
}

/** Packs lie at places of packs, and the shorter one of a first block at the end of one. */
function assertWhole(kept: readonly number[], sinkCount: number): void {
  assertEquals(new Set(kept).size, kept.length);
  assertEquals(kept.slice(0, sinkCount), Array.from({ length: sinkCount }, (_, i) => i));
  for (let at = sinkCount; at < kept.length;) {
    const first = kept[at];
    const length = Math.min(8, 64 - first % 64);
    assertEquals(placeOf(first, sinkCount) % 8, 0, `token ${first} begins a pack`);
    assertEquals(placeOf(at, sinkCount) % 8, 0, `place ${at} begins a pack`);
    assertEquals(Math.min(8, 64 - at % 64), length, "a shorter pack ends a first block");
    assertEquals(kept.slice(at, at + length), Array.from({ length }, (_, i) => first + i));
    at += length;
  }
}

/** Place of a token in the packs of its block. */
function placeOf(token: number, sinkCount: number): number {
  return token % 64 - (token < 64 ? sinkCount : 0);
}

for (const sinkCount of SINK_COUNTS) {
  const packing = { sinkCount, packTokenCount: 8, sealedTokenCount: SEALED, needsAll: false };
  const allChosen = [0, 1].flatMap((seed) =>
    choices(seed).map((chosen) => {
      return [...new Set([...Array.from({ length: sinkCount }, (_, i) => i), ...chosen])]
        .sort((a, b) => a - b);
    })
  );

  Deno.test(`packs move whole, to a place where they are whole, and no more tokens than were chosen: ${sinkCount} sinks`, () => {
    for (const chosen of allChosen) {
      const kept = wholePacks(chosen, packing);
      assertWhole(kept, sinkCount);
      const leading = chosen.findIndex((token, index) => token !== index);
      for (const token of chosen.slice(0, leading)) {
        if (token < 58) assert(kept.includes(token), `token ${token} begins the prompt`);
      }
      // Beside the packs that the first tokens need.
      assert(kept.length <= Math.max(chosen.length, leading + 8), `${kept.length} tokens`);
      assert(kept.length > chosen.length - 16, `${kept.length} of ${chosen.length} tokens`);
      assertEquals(wholePacks(chosen, { ...packing, packTokenCount: 1 }), chosen);
    }
  });

  Deno.test(`what must stay does, with its packs, and all of a prompt is all of it: ${sinkCount} sinks`, () => {
    for (const chosen of allChosen) {
      const kept = wholePacks(chosen, { ...packing, needsAll: true });
      assertWhole(kept, sinkCount);
      assertEquals(chosen.filter((token) => !kept.includes(token)), []);
    }
    for (const sealedTokenCount of [64, SEALED]) {
      const all = Array.from({ length: sealedTokenCount }, (_, token) => token);
      for (const needsAll of [false, true]) {
        assertEquals(wholePacks(all, { ...packing, sealedTokenCount, needsAll }), all);
        const first = [...all.slice(0, Math.max(4, sinkCount)), 63];
        const kept = wholePacks(first, { ...packing, sealedTokenCount, needsAll });
        assertWhole(kept, sinkCount);
        assert(!needsAll || kept.includes(63));
      }
    }
  });

  Deno.test(`a token that moves has the values that it had, to the last bit: ${sinkCount} sinks`, () => {
    const { codec, arena, recordOffsets } = sealedBlocks(sinkCount);
    const valuesOf = (kept: readonly number[]) =>
      movedValues({ codec, arena, recordOffsets }, kept);
    const before = recordOffsets.map(([offset], blockIndex) =>
      codec.unpack(arena.subarray(offset), { layer: 0, blockIndex })
    );
    const expectedOf = (kept: readonly number[]) =>
      kept.slice(sinkCount).map((token) => {
        const { keys, values } = before[Math.floor(token / 64)];
        const at = placeOf(token, sinkCount) * SHAPE.headSize;
        return [keys, values].map((side) =>
          Array.from({ length: SHAPE.headSize }, (_, i) => side[at + i])
        );
      });
    for (const chosen of allChosen) {
      const kept = wholePacks(chosen, packing);
      assertEquals(valuesOf(kept), expectedOf(kept));
    }
    const [chunks] = allChosen;
    const odd = chunks.filter((token) => token !== 20);
    assertNotEquals(valuesOf(odd), expectedOf(odd), "parts of packs have other values");
  });
}

interface Sealed {
  codec: BandedCodec;
  arena: Uint32Array;
  recordOffsets: number[][];
}

function sealedBlocks(sinkCount: number): Sealed {
  const profile = BANDED_PROFILES.profile({ name: "tight", sinkCount });
  const codec = new BandedCodec(SHAPE, profile, [fittingTables(SHAPE, 0.4)]);
  const records = Array.from({ length: BLOCK_COUNT }, (_, blockIndex) => {
    const tile = sampleTile(SAMPLE_KINDS[0], SHAPE, 70 + blockIndex);
    return codec.pack(tile, { layer: 0, blockIndex });
  });
  let end = 0;
  const recordOffsets = records.map(({ length }) => [(end += length) - length]);
  const arena = new Uint32Array(end + 4);
  records.forEach((record, index) => arena.set(record, recordOffsets[index][0]));
  return { codec, arena, recordOffsets };
}

/** Values of the tokens that move, K and V of each, as they are read where they come to lie. */
function movedValues({ codec, arena, recordOffsets }: Sealed, kept: readonly number[]) {
  const { layout, tables, sinkCount } = codec;
  const compaction = new Compaction([kept], { recordOffsets, sinkCount });
  return Array.from({ length: compaction.blockCount }, (_, index) => {
    const gather = compaction.gather(index);
    const firstToken = index === 0 ? sinkCount : 0;
    const scratch = {
      codes: new Uint8Array(2 * 4 * sideCodeWords(layout)),
      params: new Uint32Array(2 * 64),
      sinks: new Uint32Array(layout.sinkWords(true)),
      flags: new Uint32Array(1),
    };
    const gathers = [{ scratchIndex: 0, ...gather }];
    kvGatherBandedReference(layout, { gathers, tables, arena }, scratch);
    const packedCount = gather.tokenCounts[0] - firstToken;
    const jobs = [{ scratchIndex: 0, firstToken, targets: [0], packedCounts: [packedCount] }];
    const record = new Uint32Array(codec.recordWords.max + 4);
    kvPackBandedReference(layout, scratch, { jobs, tables }, record);
    const { keys, values } = codec.unpack(record, { layer: 0, blockIndex: index });
    return Array.from({ length: packedCount }, (_, place) => {
      const at = place * SHAPE.headSize;
      return [keys, values].map((side) =>
        Array.from({ length: SHAPE.headSize }, (_, i) => side[at + i])
      );
    });
  }).flat();
}
