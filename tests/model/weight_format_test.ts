import { dequantise } from "../../src/gguf/dequantise.ts";
import { quantise, type QuantisedType } from "../support/quantise.ts";
import { elementsSizeBytes, TENSOR_TYPES, type TensorType } from "../../src/gguf/tensor_types.ts";
import { randomBlocks } from "../support/random_blocks.ts";
import {
  GROUP_ROW_COUNT,
  type PackedWeights,
  weightsSizeBytes,
} from "../../src/kernels/weight_layout.ts";
import {
  commonFormat,
  WEIGHT_FORMATS,
  type WeightFormat,
} from "../../src/kernels/weight_formats.ts";
import { EngineError } from "../../src/core/errors.ts";
import { packWeights, splitRows } from "../../src/model/weight_format.ts";
import { seededNormals } from "../support/numeric.ts";
import { assertEquals, assertThrows } from "@std/assert";

const BINDING_SIZE_MAX = 2 ** 27;

const TYPES = Object.keys(TENSOR_TYPES) as TensorType[];

for (const type of TYPES) {
  Deno.test(`packWeights() keeps every value of ${type}, and fills the group with zeros`, () => {
    const [rowCount, columnCount] = [45, 512];
    const bytes = randomBlocks(type, rowCount * columnCount, 1);
    const packed = packWeights([{ type, bytes, rowCount }], {
      columnCount,
      bindingSizeMax: BINDING_SIZE_MAX,
    });
    const expected = dequantise(type, bytes, rowCount * columnCount);
    assertEquals(valuesOf(packed, 0, rowCount), unsigned(expected));
    assertEquals(valuesOf(packed, rowCount, 64).every((value) => value === 0), true);
    const sizeBytes = elementsSizeBytes(type, 64 * columnCount);
    assertEquals(weightsSizeBytes(packed), sizeBytes, "the bytes of the file");
    const words = packed.parts[0].words.length + (packed.parts[0].scales?.length ?? 0);
    assertEquals(words * 4, weightsSizeBytes(packed));
  });
}

Deno.test("packWeights() puts sources one below the other if stacked", () => {
  const sources = [3, 40, 5].map((rowCount, seed) => ({
    type: "Q4_1" as const,
    bytes: quantise("Q4_1", seededNormals(rowCount * 32, seed)),
    rowCount,
  }));
  const packed = packWeights(sources, { columnCount: 32, bindingSizeMax: BINDING_SIZE_MAX });
  const expected = sources.flatMap((source) => [
    ...dequantise("Q4_1", source.bytes, source.rowCount * 32),
  ]);
  assertEquals(packed.rowCount, 48);
  assertEquals(valuesOf(packed, 0, 48), expected);
});

Deno.test("packWeights() takes rows of the sources in turn if interleaved", () => {
  const sources = [1, 2].map((seed) => ({
    type: "Q8_0" as const,
    bytes: quantise("Q8_0", seededNormals(20 * 64, seed)),
    rowCount: 20,
  }));
  const options = { columnCount: 64, bindingSizeMax: BINDING_SIZE_MAX };
  const packed = packWeights(sources, { ...options, arrangement: "interleaved" });
  const [gate, up] = sources.map((source) => dequantise("Q8_0", source.bytes, 20 * 64));
  for (let row = 0; row < 20; row++) {
    const range = [row * 64, (row + 1) * 64] as const;
    assertEquals(valuesOf(packed, 2 * row, 2 * row + 1), [...gate.subarray(...range)]);
    assertEquals(valuesOf(packed, 2 * row + 1, 2 * row + 2), [...up.subarray(...range)]);
  }
});

const MIXES: { types: QuantisedType[]; format: string }[] = [
  { types: ["Q4_0", "Q4_1"], format: "q4" },
  { types: ["Q4_0", "Q8_0"], format: "q8" },
  { types: ["Q4_1", "Q8_0"], format: "q8" },
  { types: ["F16", "BF16"], format: "f32" },
  { types: ["Q4_1", "F16"], format: "f32" },
  { types: ["Q4_0", "F32"], format: "f32" },
  { types: ["Q8_0", "BF16"], format: "f32" },
];

for (const { types, format } of MIXES) {
  Deno.test(`packWeights() keeps every value if ${types.join(" and ")} meet, as ${format}`, () => {
    const sources = types.map((type, seed) => ({
      type,
      bytes: quantise(type, seededNormals(2 * 32, seed)),
      rowCount: 2,
    }));
    const packed = packWeights(sources, { columnCount: 32, bindingSizeMax: BINDING_SIZE_MAX });
    const expected = sources.flatMap(({ type, bytes }) => unsigned(dequantise(type, bytes, 64)));
    assertEquals(packed.parts.map((part) => part.format), [format]);
    assertEquals(commonFormat(types), format);
    assertEquals(valuesOf(packed, 0, 4), expected);
  });
}

Deno.test("packWeights() keeps a part for each format if whole groups are stacked", () => {
  const types = ["Q4_K", "Q4_K", "Q6_K", "Q5_K"] as const;
  const sources = types.map((type, seed) => {
    const rowCount = 32 * (1 + seed);
    return { type, bytes: randomBlocks(type, rowCount * 256, seed), rowCount };
  });
  const packed = packWeights(sources, { columnCount: 256, bindingSizeMax: BINDING_SIZE_MAX });
  assertEquals(packed.parts.map(({ format, rowStart, rowCount }) => [format, rowStart, rowCount]), [
    ["q4k", 0, 96],
    ["q6k", 96, 96],
    ["q5k", 192, 128],
  ]);
  const expected = sources.flatMap(({ type, bytes, rowCount }) =>
    unsigned(dequantise(type, bytes, rowCount * 256))
  );
  assertEquals(valuesOf(packed, 0, 320), expected);
});

Deno.test("packWeights() keeps every value of K types that are interleaved, as f32", () => {
  const sources = (["Q4_K", "Q6_K"] as const).map((type, seed) => {
    return { type, bytes: randomBlocks(type, 2 * 256, seed), rowCount: 2 };
  });
  const options = { columnCount: 256, bindingSizeMax: BINDING_SIZE_MAX };
  const packed = packWeights(sources, { ...options, arrangement: "interleaved" });
  const [gate, up] = sources.map(({ type, bytes }) => unsigned(dequantise(type, bytes, 512)));
  const expected = [gate, up, gate, up].flatMap((values, row) =>
    values.slice((row >> 1) * 256, (row >> 1) * 256 + 256)
  );
  assertEquals(packed.parts.map(({ format }) => format), ["f32"]);
  assertEquals(valuesOf(packed, 0, 4), expected);
});

Deno.test("packWeights() reads bytes at any alignment", () => {
  const bytes = quantise("Q4_1", seededNormals(64, 1));
  const shifted = new Uint8Array(bytes.length + 1);
  shifted.set(bytes, 1);
  const options = { columnCount: 64, bindingSizeMax: BINDING_SIZE_MAX };
  const [even, odd] = [bytes, shifted.subarray(1)].map((some) =>
    packWeights([{ type: "Q4_1", bytes: some, rowCount: 1 }], options)
  );
  assertEquals(odd, even);
});

Deno.test("splitRows() cuts at whole groups of 32 rows, as late as the binding allows", () => {
  assertEquals(splitRows(64, 10, 640), [{ rowStart: 0, rowCount: 64 }]);
  assertEquals(splitRows(65, 10, 640), [
    { rowStart: 0, rowCount: 64 },
    { rowStart: 64, rowCount: 1 },
  ]);
  assertEquals(splitRows(65, 10, 639).map((range) => range.rowCount), [32, 32, 1]);
  assertThrows(() => splitRows(64, 10, 319), RangeError, "Cannot bind 32 rows");
});

Deno.test("packWeights() throws if the width, the bytes or the rows do not fit", () => {
  const bytes = quantise("F32", seededNormals(96, 1));
  const options = { columnCount: 96, bindingSizeMax: BINDING_SIZE_MAX };
  const source = { type: "F32" as const, bytes, rowCount: 1 };
  assertThrows(
    () => packWeights([{ ...source, rowCount: 2 }], { ...options, columnCount: 48 }),
    EngineError,
    "multiple of 32",
  );
  assertThrows(() => packWeights([{ ...source, rowCount: 2 }], options), RangeError, "384 bytes");
  const other = {
    type: "F32" as const,
    bytes: quantise("F32", seededNormals(192, 1)),
    rowCount: 2,
  };
  assertThrows(
    () => packWeights([source, other], { ...options, arrangement: "interleaved" }),
    RangeError,
    "Cannot interleave",
  );
});

/** Values with -0 as 0: a code of 8 in Q4_0 is -0 where the scale is negative. */
function unsigned(values: Float32Array): number[] {
  return Array.from(values, (value) => value + 0);
}

/** Values of rows `start` to `end` of a weight in the device's layout, by its documentation. */
function valuesOf(packed: PackedWeights, start: number, end: number): number[] {
  const { columnCount, parts } = packed;
  const values: number[] = [];
  for (let row = start; row < end; row++) {
    const part = parts.findLast(({ rowStart }) => rowStart <= row)!;
    const inPart = row - part.rowStart;
    const group = Math.floor(inPart / GROUP_ROW_COUNT);
    const inGroup = inPart % GROUP_ROW_COUNT;
    const { vectorsPerBlock, unitColumnCount, sideWordCount } = WEIGHT_FORMATS[part.format];
    for (let column = 0; column < columnCount; column += 32) {
      const groupBlock = (group * columnCount + column) / 32;
      const bytes: number[] = [];
      for (let vector = 0; vector < vectorsPerBlock; vector++) {
        const ofRow = Math.floor((groupBlock * 4 + inGroup % 4) * vectorsPerBlock);
        const index = (ofRow + vector) * 8 + Math.floor(inGroup / 4);
        const words = part.words.slice(4 * index, 4 * index + 4);
        bytes.push(...new Uint8Array(words.buffer));
      }
      if (vectorsPerBlock < 1) bytes.splice(inGroup % 2 === 0 ? 8 : 0, 8);
      const unit = Math.floor((group * columnCount + column) / unitColumnCount);
      const side = part.scales?.slice(unit * sideWordCount, (unit + 1) * sideWordCount) ??
        new Uint32Array();
      const at = { row: inGroup, block: column / 32 % 8, side };
      values.push(...blockValues(part.format, Uint8Array.from(bytes), at));
    }
  }
  return values;
}

/** Where a block's side data are: those of its unit, `[word][row]` but for the f16 of q6k. */
interface SidePlace {
  row: number;
  /** Block of 32 columns in the unit. */
  block: number;
  side: Uint32Array;
}

const COLUMNS = Array.from({ length: 32 }, (_, i) => i);

/** The bits of a block and of the side data of its unit. */
class BlockBits {
  readonly view: DataView;
  readonly block: number;
  #bytes: Uint8Array;
  #place: SidePlace;

  constructor(bytes: Uint8Array, place: SidePlace) {
    this.view = new DataView(bytes.buffer);
    this.block = place.block;
    this.#bytes = bytes;
    this.#place = place;
  }

  nibble(i: number): number {
    return (this.#bytes[i % 16] >> (i < 16 ? 0 : 4)) & 15;
  }

  /**
   * Column `i` of codes one after the other in the words of the block and `high`, the last two in
   * what is left at the top of the words: 2 bits each, 1 of word 2 if there are 5 words.
   */
  field(i: number, width: 5 | 6, high: readonly number[]): number {
    const words = [0, 4, 8, 12].map((byte) => this.view.getUint32(byte, true)).concat(high);
    const perWord = Math.floor(32 / width);
    const bitsAt = (word: number, place: number, count: number) =>
      (words[word] >>> place) & (2 ** count - 1);
    if (i < 30) return bitsAt(Math.floor(i / perWord), width * (i % perWord), width);
    const first = i === 30 ? 0 : 3;
    const last = width === 6 ? bitsAt(first + 2, 30, 2) : bitsAt(2, i, 1);
    return bitsAt(first, 30, 2) | bitsAt(first + 1, 30, 2) << 2 | last << 4;
  }

  pair(i: number): number {
    return pairOf(this.view.getUint32(4 * (i >> 4), true), i % 16);
  }

  /** Word `index` of the row, behind `start` words that rows do not have one of each. */
  word(index: number, start = 0): number {
    return this.#place.side[start + index * 32 + this.#place.row];
  }

  /** Both f16 of a word. */
  halves(bits: number): [number, number] {
    const pair = new DataView(Uint32Array.of(bits).buffer);
    return [pair.getFloat16(0, true), pair.getFloat16(2, true)];
  }

  /** The row's f16, where the side data begin with one of each row. */
  half(): number {
    const { side, row } = this.#place;
    return this.halves(side[row >> 1])[row & 1];
  }

  /** The row's byte, where the side data are one of each row. */
  byte(): number {
    return new Uint8Array(this.#place.side.slice().buffer)[this.#place.row];
  }
}

/** The 2 bits of column `i` of 16. */
function pairOf(word: number, i: number): number {
  return (word >>> (8 * (i & 3) + 2 * (i >> 2))) & 3;
}

/** The highest bit of column `i` of 32. */
function bitOf(word: number, i: number): number {
  return (word >>> (8 * (i & 3) + (i >> 2))) & 1;
}

/** 32 values of a block by the documentation of its format. */
function blockValues(format: WeightFormat, bytes: Uint8Array, place: SidePlace): number[] {
  const bits = new BlockBits(bytes, place);
  const { view } = bits;
  const scaled = (codeOf: (i: number) => number, [scale, minimum = 0]: readonly number[]) =>
    COLUMNS.map((i) => Math.fround(codeOf(i) * scale + minimum) + 0);
  const nibble = (i: number) => bits.nibble(i);
  const five = (i: number, high: number) => bits.field(i, 5, [high]);
  switch (format) {
    case "q4":
      return scaled(nibble, bits.halves(bits.word(0)));
    case "q5":
      return scaled((i) => five(i, bits.word(1)), bits.halves(bits.word(0)));
    case "q8":
      return scaled((i) => view.getInt8(i), bits.halves(bits.word(0)));
    case "q4_0":
      return scaled((i) => nibble(i) - 8, [bits.half()]);
    case "q5_0":
      return scaled((i) => five(i, bits.word(0, 16)) - 16, [bits.half()]);
    case "q8_0":
      return scaled((i) => view.getInt8(i), [bits.half()]);
    case "iq4_nl":
      return scaled((i) => IQ4_VALUES[nibble(i)], [bits.half()]);
    case "mxfp4":
      return scaled((i) => e2m1(nibble(i)), [2 ** (bits.byte() - 127)]);
    case "q4k":
      return scaled(nibble, kScales(bits));
    case "q5k":
      return scaled((i) => five(i, bits.word(4 + bits.block)), kScales(bits));
    case "q6k":
    case "q3k":
    case "q2k":
    case "iq4_xs":
      return SUPER_BLOCK_VALUES[format](bits);
    case "f16":
      return COLUMNS.map((i) => view.getFloat16(2 * i, true) + 0);
    case "f32":
      return COLUMNS.map((i) => view.getFloat32(4 * i, true) + 0);
    case "bf16":
      return COLUMNS.map((i) => {
        const word = view.getUint16(2 * i, true) << 16;
        return new Float32Array(Int32Array.of(word).buffer)[0] + 0;
      });
  }
}

const SUPER_BLOCK_VALUES = {
  q6k: (bits: BlockBits) => {
    const scales = new Int8Array(Uint32Array.of(bits.word(bits.block >> 1, 16)).buffer);
    return COLUMNS.map((i) => {
      const high = [0, 1].map((half) => bits.word(4 + 2 * bits.block + half, 16));
      const scale = scales[2 * (bits.block & 1) + (i >> 4)] * bits.half();
      return (bits.field(i, 6, high) - 32) * scale + 0;
    });
  },
  q3k: (bits: BlockBits) =>
    COLUMNS.map((i) => {
      const sub = 2 * bits.block + (i >> 4);
      const low = (bits.word(sub >> 3, 16) >>> (4 * (sub & 7))) & 15;
      const scale = low + 16 * ((bits.word(2, 16) >>> (2 * sub)) & 3) - 32;
      const code = bits.pair(i) + 4 * (1 - bitOf(bits.word(3 + bits.block, 16), i)) - 4;
      return code * scale * bits.half() + 0;
    }),
  q2k: (bits: BlockBits) => {
    const [scale, minimum] = bits.halves(bits.word(0));
    const words = Uint32Array.from([1, 2, 3, 4], (index) => bits.word(index));
    const bytes = new Uint8Array(words.buffer);
    return COLUMNS.map((i) => {
      const both = bytes[2 * bits.block + (i >> 4)];
      return Math.fround(bits.pair(i) * (both & 15) * scale - minimum * (both >> 4)) + 0;
    });
  },
  iq4_xs: (bits: BlockBits) => {
    const low = (bits.word(1) >>> (4 * bits.block)) & 15;
    const high = (bits.word(0) >>> (16 + 2 * bits.block)) & 3;
    const scale = bits.halves(bits.word(0))[0] * (low + 16 * high - 32);
    return COLUMNS.map((i) => IQ4_VALUES[bits.nibble(i)] * scale + 0);
  },
};

const IQ4_VALUES = [
  ...[-127, -104, -83, -65, -49, -35, -22, -10],
  ...[1, 13, 25, 38, 53, 69, 89, 113],
];

/** A float of 4 bits: sign, exponent of 2 bits biased by 1, mantissa of 1. */
function e2m1(bits: number): number {
  const [sign, exponent, mantissa] = [bits >> 3, (bits >> 1) & 3, bits & 1];
  const magnitude = exponent === 0 ? mantissa / 2 : (1 + mantissa / 2) * 2 ** (exponent - 1);
  return sign === 1 ? -magnitude : magnitude;
}

/**
 * Scale and minimum of a block: the low 4 bits of each in words 1 and 2, the high 2 in word 3, a
 * byte for two blocks.
 */
function kScales(bits: BlockBits): [number, number] {
  const [scale, minimum] = bits.halves(bits.word(0));
  const high = bits.word(3) >>> (8 * (bits.block >> 1) + 2 * (bits.block & 1));
  const sixOf = (index: number, highPlace: number) =>
    ((bits.word(index) >>> (4 * bits.block)) & 15) + 16 * ((high >>> highPlace) & 3);
  return [scale * sixOf(1, 0), -minimum * sixOf(2, 4)];
}
