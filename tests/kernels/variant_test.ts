import { assertEquals, assertThrows } from "@std/assert";
import { MATMUL_VARIANTS } from "../../src/kernels/matmul/variants.ts";
import { chooseVariant, type Variant } from "../../src/kernels/variant.ts";
import { ADAPTERS } from "../support/adapters.ts";

const facts = ADAPTERS["DX12"];

Deno.test("chooseVariant() takes the first that supports the adapter and the shape", () => {
  const variants: Variant<number>[] = [
    { name: "subgroups", supports: ({ hasSubgroups }) => hasSubgroups, tuned: [] },
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

Deno.test("matmul shares by subgroup only where every subgroup has 8 lanes", () => {
  const names = Object.entries(ADAPTERS).map(([adapter, each]) => [
    adapter,
    chooseVariant("matmul", MATMUL_VARIANTS, { facts: each, shape: null }).name,
  ]);
  assertEquals(names.filter(([, name]) => name === "subgroup"), [["software Vulkan", "subgroup"]]);
});
