/**
 * Every architecture with every tensor type: the README's table, cell by cell. Which values a type
 * has on the device, and its products, are tests of their own (`weight_format_test.ts`,
 * `tests/kernels/`), as are logits (`tests/engine/golden_archs_test.ts`).
 */

import { assert, assertEquals } from "@std/assert";
import { TENSOR_TYPES, type TensorType } from "../../src/gguf/tensor_types.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { ARCHITECTURES, readModelPlan } from "../../src/model/architectures/registry.ts";
import { uploadWeights } from "../../src/model/weights.ts";
import { testGpu } from "../support/gpu.ts";
import { sharedFile } from "../support/shared.ts";
import { withTinyModel } from "../support/tiny_engine.ts";
import { TINY_DEEPSEEK2 } from "../support/tiny_deepseek2.ts";
import { TINY_GEMMA4 } from "../support/tiny_gemma4.ts";
import { LATENT_ARCHITECTURES } from "../support/tiny_model.ts";

const TYPES = Object.keys(TENSOR_TYPES) as TensorType[];

/** Rows of 256 columns, so that each type holds them. */
const SIZES = { width: 256, feedForwardWidth: 256, queryHeadCount: 4, headSize: 64 };

/** Sizes of latents: every matrix has rows of 256 columns. */
const latentSizes = (architecture: string) => ({
  [`${architecture}.attention.q_lora_rank`]: 256,
  [`${architecture}.attention.kv_lora_rank`]: 256,
  [`${architecture}.attention.key_length_mla`]: 256 + 64,
  [`${architecture}.attention.value_length_mla`]: 64,
});

/** Layers with so many matrices that each type comes at least once. */
const LAYER_COUNTS: Record<string, number> = { phi3: 4, gemma4: 4 };

for (const architecture of Object.keys(ARCHITECTURES)) {
  Deno.test(`${architecture} takes every tensor type in the bytes of the file`, () => {
    const layerCount = LAYER_COUNTS[architecture] ?? 3;
    const ofLatents = { sizesMetadata: latentSizes(architecture) };
    const sizes = LATENT_ARCHITECTURES.includes(architecture) ? ofLatents : {};
    const common = { ...SIZES, architecture, layerCount, tiedOutput: false };
    const model = { ...common, ...sizes, typesInTurn: TYPES };
    return withTinyModel(model, async (path) => {
      const file = await readGguf(path);
      const matrices = [...file.tensors.values()].filter(({ shape }) => shape.length > 1);
      assertEquals(new Set(matrices.map(({ type }) => type)), new Set(TYPES));
      const gpu = await testGpu();
      const plan = readModelPlan(file);
      const { sizeBytes } = await uploadWeights(gpu, { file, plan, onProgress: () => {} });
      const fileBytes = [...file.tensors.values()].reduce((sum, each) => sum + each.sizeBytes, 0);
      assert(sizeBytes <= 1.03 * fileBytes, `${sizeBytes} bytes of ${fileBytes}`);
    });
  });
}

/** Types of the matrices of files whose logits are held against llama.cpp's, by architecture. */
async function goldenTypes(archsPath: string): Promise<Map<string, Set<string>>> {
  const types = new Map(Object.keys(ARCHITECTURES).map((each) => [each, new Set<string>()]));
  types.get("gemma4")!.add(TINY_GEMMA4.type ?? "F32");
  types.get("deepseek2")!.add(TINY_DEEPSEEK2.type ?? "F32");
  // Gemma 3 270M, tests/engine/golden_gemma_test.ts.
  for (const type of ["Q4_K", "Q5_0", "Q6_K", "Q8_0"]) types.get("gemma3")!.add(type);
  const goldens: { file: string }[] = JSON.parse(await Deno.readTextFile(archsPath));
  for (const { file } of goldens) {
    const { metadata, tensors } = await readGguf(archsPath.replace("archs.json", file));
    const own = types.get(metadata.getString("general.architecture"))!;
    for (const { type, shape } of tensors.values()) if (shape.length > 1) own.add(type);
  }
  return types;
}

Deno.test("the README's table has every architecture and type, and marks those held against llama.cpp", async () => {
  const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  const rows = readme.split("\n").filter((line) => line.startsWith("|"))
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim().replaceAll("`", "")));
  const head = rows.findIndex(([first]) => first === "architecture");
  assert(head >= 0, "there is a table of architectures");
  const types = rows[head].slice(1);
  assertEquals(types.toSorted(), TYPES.toSorted());
  const names = Object.keys(ARCHITECTURES);
  const table = rows.slice(head + 2, head + 2 + names.length);
  assertEquals(table.map(([name]) => name).toSorted(), names.toSorted());
  const path = sharedFile("golden/archs/archs.json");
  if (path === null) return;
  const golden = await goldenTypes(path);
  for (const [name, ...cells] of table) {
    const wanted = types.map((type) => golden.get(name)!.has(type) ? "●" : "○");
    assertEquals(cells, wanted, name);
  }
});
