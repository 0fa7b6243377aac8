/** `packkv doctor --gpu`, on the device of the tests. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { deviceReport } from "../../src/device_report/device_report.ts";
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
    const { adapter, rates, products } = JSON.parse(text);
    const { facts } = await testGpu();
    assertEquals(adapter, facts);
    for (const [name, rate] of Object.entries(rates)) {
      assert(Number.isFinite(rate) && (rate as number) > 0, `${name} ${rate}`);
    }
    assertEquals(products.length, 2 * 4 * 3);
    for (const { name, type, isRight, error, milliseconds } of products) {
      assert(isRight && error < 1e-10 && milliseconds > 0, `${name} ${type} ${error}`);
    }
    const keys = ["version", "system", "runtime", "adapter", "rates", "products"];
    assertEquals(Object.keys(JSON.parse(text)), keys);
    const rest = text.replaceAll(adapter.name, "");
    for (const name of [Deno.hostname(), Deno.env.get("HOME")!, folder, Deno.cwd()]) {
      assertEquals(rest.includes(name), false, name);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a report names products that are wrong on a device", async () => {
  const compiles = (code: string) =>
    code.replace("fma(Tokens(scales.scale[o]), sum,", "fma(Tokens(0.5), sum,");
  const { products } = await deviceReport({ webgpu: lyingWebgpu({ compiles }) });
  assertEquals(products.filter(({ isRight }) => isRight), []);
});

Deno.test("doctor --gpu refuses a file that it cannot write, with the reason", async () => {
  const { code, errors } = await doctorGpu("/nowhere/gpu.json");
  assertEquals(code, 2);
  assertStringIncludes(errors, "Cannot write --gpu /nowhere/gpu.json");
});
