import { pointWords } from "../../../src/codec/banded/points.ts";
import { ENTRY_WORDS, rowWords } from "../../../src/core/row.ts";
import { assert } from "@std/assert";
import { readerWords } from "../../../src/codec/banded/tables.ts";
import { rawTileWords } from "../../../src/codec/record.ts";
import { createSegments } from "../../../src/kernels/block_unpack/paper.ts";
import { BlockUnpackBandedKernel } from "../../../src/kernels/block_unpack/banded.ts";
import { blockUnpackBandedReference } from "../../../src/reference/block_unpack/banded.ts";
import { assertSameBits, rowOf } from "../../support/attention_case.ts";
import { BANDED_CASES, bandedInput, caseName, sealedSequence } from "../../support/banded_case.ts";
import { readU32, submitPass, testGpu } from "../../support/gpu.ts";

/** Sealed blocks a slot's part of the directory has room for. */
const blockCountMax = 12;

const CASES = [
  ...BANDED_CASES.map((bandedCase) => ({ bandedCase, hasDropped: false })),
  ...[0, 2].map((index) => ({ bandedCase: BANDED_CASES[index], hasDropped: true })),
];

for (const [index, { bandedCase, hasDropped }] of CASES.entries()) {
  const layer = index % 2;
  const what = `${caseName(bandedCase)}${hasDropped ? ", some channels dropped" : ""}`;
  Deno.test(`BlockUnpackBandedKernel equals its reference bit for bit at ${what}`, async () => {
    const gpu = await testGpu();
    const input = bandedInput(bandedCase);
    const { layout } = input;
    // The first block with sinks, in a directory whose slot 0 is another sequence's.
    const sealed = sealedSequence(input, layer, hasDropped);
    const directory = new Uint32Array(2 * blockCountMax * ENTRY_WORDS).fill(0xffff);
    directory.set(sealed.directory, blockCountMax * ENTRY_WORDS);
    const sealedCount = sealed.directory.length / ENTRY_WORDS;
    const tables = input.tables[layer];
    const kernel = await BlockUnpackBandedKernel.create(gpu, { layout, hasDropped });
    const segments = createSegments(gpu, { segmentCount: 3, blocksPerSegment: 4 });
    const row = rowOf({ slot: 1, position: 0, blockCount: sealedCount }, blockCountMax);
    const buffers = {
      rows: gpu.createBufferWith("rows", rowWords([row])),
      arena: gpu.createBufferWith("arena", sealed.arena),
      directory: gpu.createBufferWith("directory", directory),
      tables: gpu.createBufferWith("tables", readerWords(tables)),
      points: gpu.createBufferWith("points", pointWords()),
    };
    for (const [segmentIndex, segment] of segments.entries()) {
      const tiles = gpu.createBuffer("tiles", 4 * rawTileWords(layout) * 4);
      const bound = kernel.bind({ ...buffers, segment, tiles });
      submitPass(gpu, (pass) => kernel.encode(pass, bound, 4));
      const expected = blockUnpackBandedReference({
        ...sealed,
        layout,
        tables,
        firstBlock: segmentIndex * 4,
        blockCount: Math.min(4, sealedCount - segmentIndex * 4),
      });
      const actual = await readU32(gpu, tiles, 4 * rawTileWords(layout));
      assertSameBits(actual.subarray(0, expected.length), expected);
      assert(
        actual.slice(expected.length).every((word) => word === 0),
        "only sealed blocks written",
      );
    }
  });
}
