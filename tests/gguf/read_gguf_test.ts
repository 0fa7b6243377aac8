import {
  assert,
  assertEquals,
  assertLess,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import { GgufMetadata } from "../../src/gguf/metadata.ts";
import { readGguf, readTensorBytes } from "../../src/gguf/read_gguf.ts";
import { writeGguf } from "../support/write_gguf.ts";
import { threadMs } from "../support/waiting.ts";

const TENSORS = [
  { name: "a", type: "F32", shape: [3], bytes: bytesFrom(1, 12) },
  { name: "b", type: "Q4_1", shape: [32, 2], bytes: bytesFrom(100, 40) },
] as const;

Deno.test("readGguf() finds what writeGguf() wrote, tensors at multiples of 32", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/x.gguf`;
  await writeGguf(path, {
    "text": "zwölf",
    "unsigned": 4_000_000_000,
    "signed": -5,
    "float": 0.5,
    "whole float": { f32: 10_000 },
    "yes": true,
    "texts": ["", "ä"],
    "numbers": [3, -1],
  }, TENSORS);
  const file = await readGguf(path);
  const { metadata } = file;
  assertEquals(metadata.getString("text"), "zwölf");
  assertEquals(metadata.getNumber("unsigned"), 4_000_000_000);
  assertEquals(metadata.getNumber("signed"), -5);
  assertEquals(metadata.getNumber("float"), 0.5);
  assertEquals(metadata.getNumber("whole float"), 10_000);
  assertEquals(metadata.getBoolean("yes"), true);
  assertEquals(metadata.getStrings("texts"), ["", "ä"]);
  assertEquals(metadata.getNumbers("numbers"), [3, -1]);
  assertEquals([...file.tensors.keys()], ["a", "b"]);
  for (const { name, type, shape, bytes } of TENSORS) {
    const tensor = file.tensors.get(name)!;
    assertEquals([tensor.type, tensor.shape], [type, shape] as unknown as typeof tensor.shape[]);
    assertEquals(tensor.offsetBytes % 32, 0);
    assertEquals(readTensorBytes(file, tensor), bytes);
  }
});

Deno.test("readTensorBytes() reads any range of a tensor and refuses others", async () => {
  await using directory = await temporaryDirectory();
  const file = await writtenFile(directory.path);
  const tensor = file.tensors.get("b")!;
  assertEquals(readTensorBytes(file, tensor, { begin: 20, end: 40 }), bytesFrom(120, 20));
  assertEquals(readTensorBytes(file, tensor, { begin: 40, end: 40 }), new Uint8Array(0));
  for (const [begin, end] of [[-1, 4], [5, 4], [0, 41], [NaN, 4]]) {
    assertThrows(() => readTensorBytes(file, tensor, { begin, end }), RangeError, `"b"`);
  }
});

Deno.test("readTensorBytes() names the tensor if the file has become shorter", async () => {
  await using directory = await temporaryDirectory();
  const file = await writtenFile(directory.path);
  await Deno.truncate(file.path, file.sizeBytes - 1);
  const error = assertThrows(() => readTensorBytes(file, file.tensors.get("b")!), EngineError);
  assertEquals(error.code, "model_file_invalid");
  assertStringIncludes(error.message, `"b"`);
});

Deno.test("readGguf() refuses a file cut at any byte", async () => {
  await using directory = await temporaryDirectory();
  const { path, sizeBytes } = await writtenFile(directory.path);
  const whole = await Deno.readFile(path);
  // From the end down: the last tensor, the padding before it, tensor infos, metadata, magic.
  for (let size = sizeBytes - 1; size >= 0; size -= 3) {
    await Deno.writeFile(path, whole.subarray(0, size));
    const error = await assertRejects(() => readGguf(path), EngineError, path, `${size} bytes`);
    assertEquals(error.code, "model_file_invalid", `${size} bytes: ${error.message}`);
  }
});

Deno.test("readGguf() names the tensor that reaches past the end, with both numbers", async () => {
  await using directory = await temporaryDirectory();
  const { path, sizeBytes } = await writtenFile(directory.path);
  await Deno.truncate(path, sizeBytes - 1);
  const error = await assertRejects(() => readGguf(path), EngineError, `tensor "b"`);
  assertStringIncludes(error.message, `${sizeBytes}, the file at ${sizeBytes - 1}`);
});

Deno.test("readGguf() refuses files that are none or cannot be read", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/x.gguf`;
  await Deno.writeTextFile(path, "GGML".repeat(100));
  const cases = [path, directory.path, `${directory.path}/missing.gguf`];
  for (const bad of cases) {
    const error = await assertRejects(() => readGguf(bad), EngineError, bad);
    assertEquals(error.code, "model_file_invalid");
  }
});

Deno.test("readGguf() names the tensor and type if the type is not supported", async () => {
  await using directory = await temporaryDirectory();
  const { path } = await writtenFile(directory.path);
  for (const [typeId, name] of [[16, "IQ2_XXS"], [250, "number 250"]] as const) {
    await patchTensorInfo(path, "b", { typeId });
    const error = await assertRejects(() => readGguf(path), EngineError, `tensor "b"`);
    assertEquals(error.code, "model_unsupported");
    assertStringIncludes(error.message, name);
  }
});

Deno.test("readGguf() refuses two tensors of one name and rows that are no whole blocks", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/x.gguf`;
  const bytes = bytesFrom(0, 40);
  const tensor = { name: "a", type: "Q4_1", shape: [32, 2], bytes } as const;
  await writeGguf(path, {}, [tensor, tensor]);
  await assertRejects(() => readGguf(path), EngineError, `tensor "a" appears twice`);
  await writeGguf(path, {}, [{ ...tensor, shape: [16, 4] }]);
  await assertRejects(() => readGguf(path), EngineError, "rows of 32 values");
});

Deno.test("readGguf() and readTensorBytes() reach past 4 GiB without reading what is before", async () => {
  await using directory = await temporaryDirectory();
  const { path } = await writtenFile(directory.path);
  const offset = 5 * 2 ** 30;
  await patchTensorInfo(path, "b", { offset });
  const dataOffset = (await readGgufGrown(path, offset + 4096)).tensors.get("a")!.offsetBytes;
  using handle = await Deno.open(path, { write: true });
  await handle.seek(dataOffset + offset, Deno.SeekMode.Start);
  await handle.write(bytesFrom(7, 40));
  const file = await readGguf(path);
  const tensor = file.tensors.get("b")!;
  assert(tensor.offsetBytes > 2 ** 32);
  assertEquals(readTensorBytes(file, tensor), bytesFrom(7, 40));
});

Deno.test("GgufMetadata names the key if it is missing or of another type", () => {
  const metadata = new GgufMetadata({ text: "a", number: 1, wide: 2n ** 60n, list: ["a", 1] });
  const cases: [() => unknown, string][] = [
    [() => metadata.getString("absent"), `"absent": the model file does not have it`],
    [() => metadata.getString("number", "x"), `"number": it is not a string`],
    [() => metadata.getNumber("text"), `"text": it is not a number`],
    [
      () => metadata.getNumber("wide"),
      `"wide": it is 1152921504606846976, not a finite number that is exact`,
    ],
    [() => metadata.getBoolean("number"), `"number": it is not a boolean`],
    [() => metadata.getStrings("list"), `"list": it is not an array of strings`],
    [() => metadata.getNumbers("list"), `"list": it is not an array of numbers`],
    [() => metadata.getNumber("constructor"), `"constructor": the model file does not have it`],
  ];
  for (const [read, message] of cases) {
    assertEquals(assertThrows(read, EngineError, message).code, "model_file_invalid");
  }
  assertEquals(metadata.getString("absent", null), null);
  assertEquals(metadata.getNumbers("absent", []), []);
});

/** Bytes of a header: text as it is, `u32` and `u64` as numbers and bigints. */
function headerBytes(...parts: (string | number | bigint)[]): Uint8Array<ArrayBuffer> {
  const bytes = parts.flatMap((part) => {
    if (typeof part === "string") return [...new TextEncoder().encode(part)];
    const isLong = typeof part === "bigint";
    const words = isLong ? BigUint64Array.of(part) : Uint32Array.of(part);
    return [...new Uint8Array(words.buffer)];
  });
  return Uint8Array.from(bytes);
}

const NO_ROOM: { what: string; parts: (string | number | bigint)[]; says: string }[] = [
  {
    what: "tensors",
    parts: ["GGUF", 3, 2n ** 63n, 0n],
    says: "9223372036854776000 tensors, room for 50",
  },
  { what: "pairs", parts: ["GGUF", 3, 0n, 2n ** 40n], says: "1099511627776 metadata pairs" },
  {
    what: "a key",
    parts: ["GGUF", 3, 0n, 1n, 2n ** 33n, "key"],
    says: "it ends inside metadata pair 0 (8589934592 bytes",
  },
  {
    what: "a text",
    parts: ["GGUF", 3, 0n, 1n, 1n, "k", 8, 2n ** 62n],
    says: `it ends inside metadata key "k" (4611686018427388000 bytes`,
  },
  {
    what: "elements",
    parts: ["GGUF", 3, 0n, 1n, 1n, "k", 9, 4, 2n ** 50n],
    says: `it ends inside metadata key "k" (1125899906842624 elements, room for 250`,
  },
  {
    what: "arrays of arrays",
    parts: ["GGUF", 3, 0n, 1n, 1n, "k", 9, 9, 1n, 9, 1n, 9, 1n, 9, 1n],
    says: `metadata key "k" has arrays more than 4 deep`,
  },
  { what: "a type", parts: ["GGUF", 3, 0n, 1n, 1n, "k", 13], says: "a value of type 13" },
  {
    what: "dimensions",
    parts: ["GGUF", 3, 1n, 0n, 1n, "t", 2 ** 31],
    says: `tensor "t" has 2147483648 dimensions`,
  },
  { what: "a version", parts: ["GGUF", 9, 0n, 0n], says: "its version is 9" },
];

for (const { what, parts, says } of NO_ROOM) {
  Deno.test(`readGguf() refuses ${what} that the file has no room for, by name and at once`, async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/x.gguf`;
    const bytes = new Uint8Array(headerBytes(...parts).length + 1000);
    bytes.set(headerBytes(...parts));
    await Deno.writeFile(path, bytes);
    const startMs = threadMs();
    await assertRejects(() => readGguf(path), EngineError, says);
    assertLess(threadMs() - startMs, 1000);
  });
}

for (const size of [600_000, 3_500_000, 20_000_000]) {
  Deno.test(`readGguf() reads a text of ${size} characters, and what comes after it`, async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/x.gguf`;
    const text = `ä${"x".repeat(size - 2)}ö`;
    await writeGguf(path, { before: 1, text, after: [2, 3] }, TENSORS);
    const file = await readGguf(path);
    assertEquals(file.metadata.getString("text") === text, true);
    assertEquals(file.metadata.getNumbers("after"), [2, 3]);
    assertEquals(readTensorBytes(file, file.tensors.get("b")!), TENSORS[1].bytes);
  });
}

Deno.test("readGguf() names the key of a header that is longer than is read", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/x.gguf`;
  await Deno.writeFile(path, headerBytes("GGUF", 3, 0n, 1n, 4n, "much", 8, 2n ** 27n));
  await Deno.truncate(path, 2 ** 28);
  const error = await assertRejects(() => readGguf(path), EngineError, `metadata key "much"`);
  assertEquals(error.code, "model_unsupported");
  assertStringIncludes(error.message, "past the first 67108864 bytes, the longest header");
});

Deno.test("readGguf() refuses two tensors in one place, naming both", async () => {
  await using directory = await temporaryDirectory();
  const { path } = await writtenFile(directory.path);
  await patchTensorInfo(path, "b", { offset: 0 });
  const error = await assertRejects(() => readGguf(path), EngineError, `"a" and "b" overlap`);
  assertEquals(error.code, "model_file_invalid");
});

Deno.test("readGguf() leaves trailing sizes of 1 out, not those before others", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/x.gguf`;
  const shapes = { a: [3, 1, 1, 1], b: [3, 1, 2], c: [1], d: [1, 1], e: [3, 2, 1] };
  const tensors = Object.entries(shapes).map(([name, shape]) => {
    const bytes = new Uint8Array(4 * shape.reduce((product, size) => product * size, 1));
    return { name, type: "F32" as const, shape, bytes };
  });
  await writeGguf(path, {}, tensors);
  const found = [...(await readGguf(path)).tensors.values()].map(({ shape }) => shape);
  assertEquals(found, [[3], [3, 1, 2], [1], [1], [3, 2]]);
});

Deno.test("readGguf() refuses a key that is there twice and an alignment that is none", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/x.gguf`;
  await Deno.writeFile(path, headerBytes("GGUF", 3, 0n, 2n, 1n, "k", 4, 1, 1n, "k", 4, 1));
  await assertRejects(() => readGguf(path), EngineError, `metadata key "k" appears twice`);
  for (const alignment of [0, 3, -8, { f32: NaN }, 0.5]) {
    await writeGguf(path, { "general.alignment": alignment }, []);
    await assertRejects(() => readGguf(path), EngineError, `"general.alignment"`);
  }
});

function bytesFrom(first: number, count: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: count }, (_, index) => first + index);
}

async function temporaryDirectory() {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

async function writtenFile(directory: string) {
  const path = `${directory}/x.gguf`;
  await writeGguf(path, { "general.name": "x", "list": [1, 2, 3] }, TENSORS);
  return await readGguf(path);
}

/** Makes the file `extraBytes` long (sparse) before reading it. */
async function readGgufGrown(path: string, sizeBytes: number) {
  await Deno.truncate(path, sizeBytes);
  return await readGguf(path);
}

/** Overwrites type or data offset of a two-dimensional tensor in the header. */
async function patchTensorInfo(
  path: string,
  name: string,
  patch: { typeId?: number; offset?: number },
): Promise<void> {
  const bytes = await Deno.readFile(path);
  const view = new DataView(bytes.buffer);
  // Length, name, dimension count, sizes, type, offset.
  const entry = new Uint8Array(13);
  new DataView(entry.buffer).setBigUint64(0, BigInt(name.length), true);
  entry.set(new TextEncoder().encode(name), 8);
  entry[9] = 2;
  const at = bytes.findIndex((_, i) => entry.every((byte, j) => bytes[i + j] === byte));
  const typeAt = at + entry.length + 16;
  if (patch.typeId !== undefined) view.setUint32(typeAt, patch.typeId, true);
  if (patch.offset !== undefined) view.setBigUint64(typeAt + 4, BigInt(patch.offset), true);
  await Deno.writeFile(path, bytes);
}
