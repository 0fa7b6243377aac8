/** `packkv doctor --gpu`, on the device of the tests. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { deviceReport } from "../../src/device_report/device_report.ts";
import { REPORT_MODELS } from "../../src/device_report/models.ts";
import { testGpu } from "../support/gpu.ts";
import { lyingWebgpu } from "../support/lying_webgpu.ts";

async function doctorGpu(path: string): Promise<{ code: number; errors: string }> {
  const main = new URL("../../server/main.ts", import.meta.url).pathname;
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--config", config, main, "doctor", "--gpu", path],
  }).output();
  return { code, errors: new TextDecoder().decode(stderr) };
}

Deno.test("doctor --gpu writes rates and right products, and nothing that names a person or a place", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/gpu.json`;
    const { code, errors } = await doctorGpu(path);
    assertEquals(code, 0, errors);
    const text = await Deno.readTextFile(path);
    const { adapter, rates, products, kernels, expected } = JSON.parse(text);
    const { facts } = await testGpu();
    assertEquals(adapter, facts);
    for (const [name, rate] of Object.entries(rates)) {
      assert(Number.isFinite(rate) && (rate as number) > 0, `${name} ${rate}`);
    }
    // A CPU leaves out the slices of the large model.
    assertEquals(products.length, 2 * 4 * 3 + 4 * (facts.isFallback ? 2 : 3));
    for (const { name, type, isRight, error, milliseconds } of products) {
      assert(isRight && error < 1e-10 && milliseconds > 0, `${name} ${type} ${error}`);
    }
    // A CPU leaves out a slice's attention of the large model, too.
    const ofPrefill = kernels.filter(({ name }: { name: string }) => name.startsWith("prefill"));
    assertEquals(ofPrefill.length, facts.isFallback ? 1 : 2);
    assertEquals(kernels.length - ofPrefill.length, 2 * 7);
    for (const { name, model, isRight, error, milliseconds } of kernels) {
      assert(isRight && milliseconds > 0, `${name} of ${model}: ${error}`);
    }
    assertEquals(expected.map(({ model, type }: Record<string, string>) => [model, type]), [
      ["SmolLM2-135M", "Q4_1"],
      ["SmolLM2-135M", "Q8_0"],
      ["8B", "Q4_K"],
    ]);
    for (const { model, type, prefillTokensPerSecond } of expected) {
      const own = (each: Record<string, unknown>) => each.model === model;
      const attention = ofPrefill.find(own);
      const slice = products.filter((each: Record<string, unknown>) =>
        own(each) && each.type === type && each.rowCount === 64
      );
      assertEquals(prefillTokensPerSecond === null, attention === undefined);
      if (attention === undefined) continue;
      const layerMs = [attention, ...slice].reduce((sum, each) => sum + each.milliseconds, 0);
      assert(prefillTokensPerSecond * layerMs < 64_000 / (model === "8B" ? 32 : 30), model);
    }
    for (const { decodeTokensPerSecond } of expected) {
      assert(Number.isFinite(decodeTokensPerSecond) && decodeTokensPerSecond > 0);
    }
    const measured = ["rates", "products", "kernels", "expected"];
    const keys = ["version", "system", "runtime", "adapter", ...measured];
    assertEquals(Object.keys(JSON.parse(text)), keys);
    const rest = text.replaceAll(adapter.name, "");
    for (const name of [Deno.hostname(), Deno.env.get("HOME")!, folder, Deno.cwd()]) {
      assertEquals(rest.includes(name), false, name);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a report names kernels that are wrong on a device", async () => {
  const compiles = (code: string) =>
    code.replace("fma(Tokens(scales.scale[o]), sum,", "fma(Tokens(0.5), sum,")
      .replaceAll("inverseSqrt(f32(D))", "0.5")
      .replaceAll("/ total", "/ (total + 1.0)")
      .replace("lane_ids[lane] = own_id;", "lane_ids[lane] = own_id + 1u;")
      .replace("lane_ids[lane] = best_element - row_start;", "lane_ids[lane] = 1u;");
  const [model] = REPORT_MODELS;
  const webgpu = lyingWebgpu({ compiles });
  const { products, kernels } = await deviceReport({ webgpu, models: [model] });
  assertEquals(products.filter(({ isRight }) => isRight), []);
  const wrong = kernels.filter(({ isRight }) => !isRight).map(({ name }) => name);
  assertEquals(wrong, [
    "attention, banded, at 4096 tokens",
    "attention, window",
    "merge at 4096 tokens",
    "prefill attention of 64 tokens, at 4096 tokens",
    "sample, greedy",
  ]);
});

Deno.test("doctor --gpu refuses a file that it cannot write, with the reason", async () => {
  const { code, errors } = await doctorGpu("/nowhere/gpu.json");
  assertEquals(code, 2);
  assertStringIncludes(errors, "Cannot write --gpu /nowhere/gpu.json");
});
