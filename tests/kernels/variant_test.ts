import { assertEquals, assertThrows } from "@std/assert";
import { ATTENTION_DECODE_VARIANTS } from "../../src/kernels/attention_decode/variants.ts";
import { ATTENTION_MERGE_VARIANTS } from "../../src/kernels/attention_merge/variants.ts";
import {
  ATTENTION_PREFILL_VARIANTS,
  attentionPrefillKey,
} from "../../src/kernels/attention_prefill/variants.ts";
import { BLOCK_UNPACK_VARIANTS } from "../../src/kernels/block_unpack/variants.ts";
import { KV_REPACK_GREEDY_VARIANTS } from "../../src/kernels/kv_repack/variants.ts";
import { MATMUL_VARIANTS } from "../../src/kernels/matmul/variants.ts";
import { rowWorkgroupSize } from "../../src/kernels/row_workgroup.ts";
import { chooseLanes, type LanesVariant } from "../../src/kernels/text/lanes.ts";
import type { AttentionShape } from "../../src/kernels/text/attention.ts";
import { chooseVariant, type Variant } from "../../src/kernels/variant.ts";
import { ADAPTERS } from "../support/adapters.ts";

const facts = ADAPTERS["DX12"];

Deno.test("chooseVariant() takes the first that supports the adapter and the shape", () => {
  const variants: Variant<number>[] = [
    { name: "subgroups", supports: ({ subgroupLanes }) => subgroupLanes > 0, tuned: [] },
    { name: "small", supports: (_, shape) => shape < 10, tuned: [] },
    { name: "any", supports: () => true, tuned: [] },
  ];
  const chosen = [5, 50].map((shape) => chooseVariant("test", variants, { facts, shape }).name);
  assertEquals(chosen, ["small", "any"]);
});

Deno.test("chooseVariant() names the operation and what it tried if nothing runs", () => {
  const never: Variant = { name: "never", supports: () => false, tuned: [] };
  assertThrows(
    () => chooseVariant("test", [never], { facts, shape: null }),
    Error,
    "Cannot run test on DX12: it supports none of never",
  );
});

Deno.test("matmul goes by subgroup only on a CPU whose subgroups have 8 lanes", () => {
  const names = Object.entries(ADAPTERS).map(([adapter, each]) => [
    adapter,
    chooseVariant("matmul", MATMUL_VARIANTS, { facts: each, shape: { columnCount: 576 } }).name,
  ]);
  assertEquals(names.filter(([, name]) => name === "subgroup"), [["software Vulkan", "subgroup"]]);
});

/** By adapter; decoding and unpacking tell a CPU in lockstep apart, merging does not. */
const LANES: Record<string, [name: string, count: number]> = {
  "NVIDIA on Vulkan": ["subgroup", 32],
  "AMD RDNA on Vulkan": ["subgroup", 32],
  "AMD GCN on Vulkan": ["subgroup", 32],
  "Intel on Vulkan": ["workgroup of 32", 32],
  "Apple on Metal": ["subgroup", 32],
  "DX12": ["workgroup of 32", 32],
  "software Vulkan": ["subgroup in lockstep", 8],
  "software Vulkan of 4 lanes": ["workgroup of 8", 8],
  "the least that WebGPU allows": ["workgroup of 32", 32],
};

const LANES_TABLES: Record<string, [variants: readonly LanesVariant[], hasLockstep: boolean]> = {
  "attention_decode": [ATTENTION_DECODE_VARIANTS, true],
  "attention_merge": [ATTENTION_MERGE_VARIANTS, false],
  "block_unpack": [BLOCK_UNPACK_VARIANTS, true],
};

for (const [operation, [variants, hasLockstep]] of Object.entries(LANES_TABLES)) {
  Deno.test(`${operation} exchanges by subgroup where a workgroup of 16 or more is in one, on a CPU of 8`, () => {
    const chosen = Object.entries(ADAPTERS).map(([adapter, each]) => {
      const { name } = chooseVariant(operation, variants, { facts: each, shape: null });
      return [adapter, [name, chooseLanes(operation, variants, each).count]];
    });
    const expected = Object.entries(LANES).map(([adapter, [name, count]]) => {
      return [adapter, [hasLockstep ? name : name.replace(" in lockstep", ""), count]];
    });
    assertEquals(Object.fromEntries(chosen), Object.fromEntries(expected));
  });
}

Deno.test("prefill attention has 32 queries in a workgroup on every GPU, but of latents, and 8 on a CPU", () => {
  const chosen = (shape: AttentionShape) =>
    Object.fromEntries(
      Object.entries(ADAPTERS).map(([adapter, each]) => {
        const choice = { facts: each, shape, key: attentionPrefillKey(shape) };
        return [
          adapter,
          chooseVariant("attention_prefill", ATTENTION_PREFILL_VARIANTS, choice).name,
        ];
      }),
    );
  const shape = { kvHeadCount: 1, queryHeadCount: 4, headSize: 512 };
  const few = Object.entries(LANES).map(([adapter, [name]]) => {
    return [adapter, name.replace(" in lockstep", "")];
  });
  assertEquals(chosen({ ...shape, hasLatents: true }), Object.fromEntries(few));
  assertEquals(
    chosen(shape),
    Object.fromEntries(few.map(([adapter, name]) => {
      return [adapter, adapter.startsWith("software") ? name : "32 queries"];
    })),
  );
});

Deno.test("no compiler that checks uniformity is given lanes in lockstep", () => {
  const facts = { ...ADAPTERS["software Vulkan"], checksUniformity: true };
  for (const [operation, [variants]] of Object.entries(LANES_TABLES)) {
    assertEquals(chooseLanes(operation, variants, facts).isLockstep, false);
  }
});

Deno.test("kv_repack/greedy takes 256 threads from 1,025 channels on", () => {
  const counts = [1024, 1025].map((channelCount) =>
    chooseVariant("kv_repack", KV_REPACK_GREEDY_VARIANTS, { facts, shape: { channelCount } })
      .threadCount
  );
  assertEquals(counts, [64, 256]);
});

Deno.test("64 threads read a row of logits on a CPU, elsewhere as many as there are up to 512", () => {
  const adapters = ["software Vulkan", "the least that WebGPU allows", "NVIDIA on Vulkan"];
  const counts = adapters.map((adapter) => rowWorkgroupSize("sample", ADAPTERS[adapter]));
  assertEquals(counts, [64, 256, 512]);
});
