/** Chrome's compiler, which proves what the runtime's takes on trust: loops around barriers. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { openGpu } from "../../src/gpu/open_gpu.ts";
import { arithmeticText, lanesText } from "../../src/gpu/probe_texts.ts";
import { ADAPTERS } from "../support/adapters.ts";
import { attentionTexts, kernelTexts, TEXT_MODELS } from "../support/kernel_texts.ts";
import { dawn, Tint } from "../support/tint.ts";

/** What Tint said of each text: many are the same on several adapters. */
const verdicts = new Map<string, string | null>();

for (const [adapter, own] of Object.entries(ADAPTERS)) {
  Deno.test(`Tint accepts the text of every kernel for every model on ${adapter}`, async () => {
    const tint = await Tint.open();
    const facts = { ...own, checksUniformity: true };
    const labels = new Map<string, string>();
    for (const model of Object.values(TEXT_MODELS)) {
      for (const { label, code } of await kernelTexts({ model, facts, contextTokens: 8192 })) {
        labels.set(code, label);
      }
      const long = { model, facts, contextTokens: 1_048_576 };
      for (const { label, code } of await attentionTexts(long)) labels.set(code, label);
    }
    assert(labels.size > 200, `${labels.size} texts`);
    const faults = [];
    for (const [code, label] of labels) {
      const fault = verdicts.has(code) ? verdicts.get(code)! : await tint.fault(code);
      verdicts.set(code, fault);
      if (fault !== null) faults.push(`${label}: ${fault}`);
    }
    assertEquals(faults.slice(0, 3), []);
    tint.close();
  });
}

Deno.test("Tint refuses a shuffle in a loop whose end lanes may see at different times", async () => {
  const tint = await Tint.open();
  const fault = await tint.fault(`@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(32) fn main(@builtin(local_invocation_index) i: u32) {
  for (var k = i; k < 32u; k += 8u) { y[i] += subgroupShuffle(k, 3u); }
}`);
  assertStringIncludes(fault ?? "nothing", "subgroup uniform control flow");
  tint.close();
});

Deno.test("Tint accepts the texts that probe a device", async () => {
  const tint = await Tint.open();
  const texts = [
    arithmeticText({ hasF16: false, hasDot4: true }),
    ...[1, 8].map((teamCount) => lanesText(32, teamCount)),
  ];
  for (const text of texts) assertEquals(await tint.fault(text), null);
  tint.close();
});

Deno.test("a device of Chrome's WebGPU is known to prove uniformity, and gets its subgroups enabled", async () => {
  const gpu = await openGpu({ webgpu: await dawn() });
  assertEquals(gpu.facts.checksUniformity, true);
  await gpu.createPipeline({
    label: "sum",
    code: `@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(32) fn main(@builtin(local_invocation_index) i: u32) {
  y[i] = subgroupAdd(i);
}`,
  });
  gpu.close();
});
