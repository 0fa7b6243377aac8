import { assertEquals, assertNotEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import { readGguf, readTensorBytes } from "../../src/gguf/read_gguf.ts";
import { modelFileName } from "../../src/gguf/split_files.ts";
import { readModelPlan } from "../../src/model/architectures/registry.ts";
import { modelFingerprint } from "../../src/runtime/fingerprint.ts";
import { writeTinyModel } from "../support/tiny_model.ts";
import { type GgufTensorData, type GgufValue, writeGguf } from "../support/write_gguf.ts";

const TENSORS: GgufTensorData[] = ["a", "b", "c"].map((name, index) => {
  const values = Float32Array.of(index, index + 0.5, index + 0.25);
  return { name, type: "F32", shape: [3], bytes: new Uint8Array(values.buffer) };
});

/** Writes a model of a tensor in each part; the metadata of a part can be changed. */
async function writeParts(
  folder: string,
  changed: Record<number, Record<string, number>> = {},
): Promise<string[]> {
  const paths: string[] = [];
  for (const [index, tensor] of TENSORS.entries()) {
    const path = `${folder}/model-0000${index + 1}-of-00003.gguf`;
    const split = { "split.no": index, "split.count": 3, "split.tensors.count": 3 };
    const own = index === 0 ? { "general.name": "whole" } : {};
    await writeGguf(path, { ...own, ...split, ...changed[index] }, [tensor]);
    paths.push(path);
  }
  return paths;
}

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("readGguf() makes one model of its parts, given any of them", async () => {
  await withFolder(async (folder) => {
    const paths = await writeParts(folder);
    const files = await Promise.all(paths.map(readGguf));
    for (const file of files) {
      assertEquals(file.path, paths[0]);
      assertEquals(file.metadata.getString("general.name"), "whole");
      assertEquals([...file.tensors.keys()], ["a", "b", "c"]);
      for (const { name, bytes } of TENSORS) {
        assertEquals(readTensorBytes(file, file.tensors.get(name)!), bytes);
      }
      const sizes = paths.map((path) => Deno.statSync(path).size);
      assertEquals(file.sizeBytes, sizes.reduce((sum, size) => sum + size));
    }
    const before = modelFingerprint(files[0]);
    assertEquals(modelFingerprint(files[1]), before);
    const last = await Deno.readFile(paths[2]);
    last[last.length - 1] ^= 1;
    await Deno.writeFile(paths[2], last);
    assertNotEquals(modelFingerprint(files[0]), before, "a part's data are part of it");
  });
});

Deno.test("readGguf() names the parts that are missing", async () => {
  await withFolder(async (folder) => {
    const paths = await writeParts(folder);
    await Deno.remove(paths[0]);
    await Deno.remove(paths[2]);
    const error = await assertRejects(() => readGguf(paths[1]), EngineError);
    assertEquals(error.code, "model_file_invalid");
    assertStringIncludes(error.message, `missing: ${paths[0]}, ${paths[2]}`);
  });
});

const CONTRADICTIONS: [why: string, Record<number, Record<string, number>>, message: string][] = [
  ["a part in another's place", { 1: { "split.no": 2 } }, "part 3 of 3, its name that it is 2"],
  ["a part of another model", { 2: { "split.count": 4 } }, "part 3 of 4, its name that it is 3"],
  ["too few tensors", { 0: { "split.tensors.count": 4 } }, "have 3 tensors, not 4"],
];

for (const [why, changed, message] of CONTRADICTIONS) {
  Deno.test(`readGguf() refuses ${why}`, async () => {
    await withFolder(async (folder) => {
      const paths = await writeParts(folder, changed);
      await assertRejects(() => readGguf(paths[0]), EngineError, message);
    });
  });
}

Deno.test("readGguf() says how parts are named if a part is not", async () => {
  await withFolder(async (folder) => {
    const [path] = await writeParts(folder);
    await Deno.rename(path, `${folder}/first.gguf`);
    const read = () => readGguf(`${folder}/first.gguf`);
    await assertRejects(read, EngineError, "end like -00001-of-00003.gguf");
  });
});

Deno.test("readModelPlan() gives a split model the plan of the whole one", async () => {
  await withFolder(async (folder) => {
    await writeTinyModel(`${folder}/whole.gguf`);
    const whole = await readGguf(`${folder}/whole.gguf`);
    const tensors = [...whole.tensors.values()].map((tensor) => {
      return { ...tensor, bytes: readTensorBytes(whole, tensor) };
    });
    const metadata = whole.metadata.valuesWithout("GGUF.") as Record<string, GgufValue>;
    const values = Object.entries(metadata).filter(([key]) => key.includes("."));
    for (const [index, own] of [tensors.slice(0, 5), tensors.slice(5)].entries()) {
      const split = { "split.no": index, "split.count": 2 };
      const first = index === 0 ? Object.fromEntries(values) : {};
      await writeGguf(`${folder}/tiny-0000${index + 1}-of-00002.gguf`, { ...first, ...split }, own);
    }
    const parts = await readGguf(`${folder}/tiny-00002-of-00002.gguf`);
    assertEquals(readModelPlan(parts), readModelPlan(whole));
  });
});

Deno.test("modelFileName() leaves the place of a part out", () => {
  assertEquals(modelFileName("/models/big-Q4_K_M-00002-of-00005.gguf"), "big-Q4_K_M");
  assertEquals(modelFileName("C:\\models\\small.GGUF"), "small");
});
