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
        const start = Math.floor(groupBlock * vectorsPerBlock) * 4 * 8;
        const index = start + (inGroup % 4) * Math.ceil(vectorsPerBlock) * 8 + vector * 8 +
          Math.floor(inGroup / 4);
        const words = part.words.slice(4 * index, 4 * index + 4);
        bytes.push(...new Uint8Array(words.buffer));
      }
      if (vectorsPerBlock < 1) bytes.splice(groupBlock % 2 === 0 ? 8 : 0, 8);
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

/** 32 values of a block by the documentation of its format. */
function blockValues(format: WeightFormat, bytes: Uint8Array, place: SidePlace): number[] {
  const view = new DataView(bytes.buffer);
  const columns = Array.from({ length: 32 }, (_, i) => i);
  const nibble = (i: number) => (bytes[i % 16] >> (i < 16 ? 0 : 4)) & 15;
  const word = (index: number) => place.side[index * 32 + place.row];
  const halves = (bits: number) => {
    const pair = new DataView(Uint32Array.of(bits).buffer);
    return [pair.getFloat16(0, true), pair.getFloat16(2, true)];
  };
  /** The f16 with which the unit's side data begin. */
  const half = () => halves(place.side[place.row >> 1])[place.row & 1];
  const pair = (i: number) => (bytes[i >> 2] >> (2 * (i & 3))) & 3;
  const scaled = (codeOf: (i: number) => number, [scale, minimum]: readonly number[]) =>
    columns.map((i) => Math.fround(codeOf(i) * scale + minimum) + 0);
  switch (format) {
    case "q4":
      return scaled(nibble, halves(word(0)));
    case "q5":
      return scaled((i) => nibble(i) | ((word(1) >>> i) & 1) << 4, halves(word(0)));
    case "q8":
      return scaled((i) => view.getInt8(i), halves(word(0)));
    case "q4k":
      return scaled(nibble, kScales(word, halves(word(0)), place.block));
    case "q5k": {
      const high = word(4 + place.block);
      const codeOf = (i: number) => nibble(i) | ((high >>> i) & 1) << 4;
      return scaled(codeOf, kScales(word, halves(word(0)), place.block));
    }
    case "q6k": {
      const scale = half();
      const behind = (index: number) => place.side[16 + index * 32 + place.row];
      const scales = new Int8Array(Uint32Array.of(behind(place.block >> 1)).buffer);
      return columns.map((i) => {
        const high = behind(4 + 2 * place.block + (i >> 4)) >>> (2 * (i % 16)) & 3;
        return ((nibble(i) | high << 4) - 32) * scales[2 * (place.block & 1) + (i >> 4)] * scale +
          0;
      });
    }
    case "q4_0":
      return scaled((i) => nibble(i) - 8, [half(), 0]);
    case "q5_0": {
      const high = place.side[16 + place.row];
      return scaled((i) => (nibble(i) | ((high >>> i) & 1) << 4) - 16, [half(), 0]);
    }
    case "q8_0":
      return scaled((i) => view.getInt8(i), [half(), 0]);
    case "iq4_nl":
      return scaled((i) => IQ4_VALUES[nibble(i)], [half(), 0]);
    case "iq4_xs": {
      const low = (word(1) >>> (4 * place.block)) & 15;
      const high = (word(0) >>> (16 + 2 * place.block)) & 3;
      const scale = halves(word(0))[0] * (low + 16 * high - 32);
      return scaled((i) => IQ4_VALUES[nibble(i)], [scale, 0]);
    }
    case "q2k": {
      const [scale, minimum] = halves(word(0));
      const bytesOf = new Uint8Array(Uint32Array.of(word(1), word(2), word(3), word(4)).buffer);
      return columns.map((i) => {
        const both = bytesOf[2 * place.block + (i >> 4)];
        return Math.fround(pair(i) * (both & 15) * scale - minimum * (both >> 4)) + 0;
      });
    }
    case "q3k": {
      const behind = (index: number) => place.side[16 + index * 32 + place.row];
      return columns.map((i) => {
        const sub = 2 * place.block + (i >> 4);
        const low = (behind(sub >> 3) >>> (4 * (sub & 7))) & 15;
        const scaleCode = low + 16 * ((behind(2) >>> (2 * sub)) & 3) - 32;
        const code = pair(i) + 4 * ((behind(3 + place.block) >>> i) & 1) - 4;
        return code * scaleCode * half() + 0;
      });
    }
    case "mxfp4": {
      const exponent = new Uint8Array(place.side.slice().buffer)[place.row];
      return columns.map((i) => e2m1(nibble(i)) * 2 ** (exponent - 127) + 0);
    }
    case "f16":
      return columns.map((i) => view.getFloat16(2 * i, true) + 0);
    case "f32":
      return columns.map((i) => view.getFloat32(4 * i, true) + 0);
    case "bf16": {
      const bits = new DataView(new ArrayBuffer(4));
      return columns.map((i) => {
        bits.setUint32(0, view.getUint16(2 * i, true) << 16);
        return bits.getFloat32(0) + 0;
      });
    }
  }
}

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

/** Scale and minimum of a block: 6 bits each, of 12 bytes in words 1 to 3. */
function kScales(
  word: (index: number) => number,
  [scale, minimum]: readonly number[],
  block: number,
): [number, number] {
  const bytes = new Uint8Array(Uint32Array.of(word(1), word(2), word(3)).buffer);
  if (block < 4) return [scale * (bytes[block] & 63), -minimum * (bytes[block + 4] & 63)];
  const codes = (bytes[block + 4] & 15) | (bytes[block - 4] >> 6 << 4);
  const minima = (bytes[block + 4] >> 4) | (bytes[block] >> 6 << 4);
  return [scale * codes, -minimum * minima];
}
