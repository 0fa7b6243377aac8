import { dequantise } from "../../src/gguf/dequantise.ts";
import { quantise } from "../../src/gguf/quantise.ts";
import type { TensorType } from "../../src/gguf/tensor_types.ts";
import {
  GROUP_ROW_COUNT,
  type PackedWeights,
  VECTORS_PER_BLOCK,
  weightsSizeBytes,
} from "../../src/kernels/weight_layout.ts";
import { EngineError } from "../../src/core/errors.ts";
import { commonFormat, packWeights, splitRows } from "../../src/model/weight_format.ts";
import { seededNormals } from "../support/numeric.ts";
import { assertEquals, assertThrows } from "@std/assert";

const BINDING_SIZE_MAX = 2 ** 27;
const TYPES: TensorType[] = ["Q4_0", "Q4_1", "Q8_0", "F16", "BF16", "F32"];

for (const type of TYPES) {
  Deno.test(`packWeights() keeps every value of ${type}, and fills the group with zeros`, () => {
    const [rowCount, columnCount] = [45, 64];
    const bytes = quantise(type, seededNormals(rowCount * columnCount, 1));
    const packed = packWeights([{ type, bytes, rowCount }], {
      columnCount,
      bindingSizeMax: BINDING_SIZE_MAX,
    });
    const expected = dequantise(type, bytes, rowCount * columnCount);
    assertEquals(valuesOf(packed, 0, rowCount), unsigned(expected));
    assertEquals(valuesOf(packed, rowCount, 64).every((value) => value === 0), true);
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

const MIXES: { types: TensorType[]; format: string }[] = [
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
    assertEquals(packed.format, format);
    assertEquals(commonFormat(types), format);
    assertEquals(valuesOf(packed, 0, 4), expected);
  });
}

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
  const { format, columnCount, parts } = packed;
  const blockCount = columnCount / 32;
  const values: number[] = [];
  for (let row = start; row < end; row++) {
    const part = parts.findLast(({ rowStart }) => rowStart <= row)!;
    const inPart = row - part.rowStart;
    const group = Math.floor(inPart / GROUP_ROW_COUNT);
    const inGroup = inPart % GROUP_ROW_COUNT;
    for (let block = 0; block < blockCount; block++) {
      const groupBlock = group * blockCount + block;
      const vectors = VECTORS_PER_BLOCK[format];
      const bytes: number[] = [];
      for (let vector = 0; vector < vectors; vector++) {
        const index = (groupBlock * 4 + inGroup % 4) * vectors * 8 + vector * 8 +
          Math.floor(inGroup / 4);
        const words = part.words.slice(4 * index, 4 * index + 4);
        bytes.push(...new Uint8Array(words.buffer));
      }
      const scale = part.scales?.[groupBlock * GROUP_ROW_COUNT + inGroup] ?? 0;
      for (let i = 0; i < 32; i++) {
        values.push(valueOf(format, Uint8Array.from(bytes), i, scale) + 0);
      }
    }
  }
  return values;
}

function valueOf(format: string, bytes: Uint8Array, index: number, scaleWord: number): number {
  const view = new DataView(bytes.buffer);
  const halves = new DataView(Uint32Array.of(scaleWord).buffer);
  const scale = halves.getFloat16(0, true);
  const minimum = halves.getFloat16(2, true);
  const quantised = (code: number) => Math.fround(code * scale + minimum);
  if (format === "q4") return quantised((bytes[index % 16] >> (index < 16 ? 0 : 4)) & 15);
  if (format === "q8") return quantised(view.getInt8(index));
  if (format === "f16") return view.getFloat16(2 * index, true);
  if (format === "f32") return view.getFloat32(4 * index, true);
  const bits = new DataView(new ArrayBuffer(4));
  bits.setUint32(0, view.getUint16(2 * index, true) << 16);
  return bits.getFloat32(0);
}
