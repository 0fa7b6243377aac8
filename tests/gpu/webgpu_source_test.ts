/** Whose WebGPU finds which adapter. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { createEngine, type EngineOptions } from "../../mod.ts";
import { EngineError } from "../../src/core/errors.ts";
import { openDawn } from "../../src/gpu/dawn.ts";
import { openGpu } from "../../src/gpu/open_gpu.ts";
import { findAdapter, isDawns } from "../../src/gpu/webgpu_source.ts";
import { withTinyModel } from "../support/tiny_engine.ts";
import { dawn } from "../support/tint.ts";

/** Adapters of Dawn are its own; the driver of these tests may be too old for it. */
const own = await (await openDawn()).requestAdapter();

Deno.test("findAdapter() finds no adapter of the runtime's own by its name, and says who does", async () => {
  const error = await assertRejects(() => findAdapter({ adapterName: "RTX" }), EngineError, "RTX");
  assertEquals(error.code, "invalid_request");
  assertMatch(error.message, /only Dawn knows names/);
});

Deno.test("createEngine() says the same of an adapter's name, and of Dawn's adapters", () =>
  withTinyModel({}, async (modelPath) => {
    const create = (options: Partial<EngineOptions>) => () =>
      createEngine({ modelPath, profile: { name: "exact" }, ...options });
    await assertRejects(create({ adapterName: "RTX" }), EngineError, "only Dawn knows names");
    const none = "no such adapter";
    const wanted = own === null ? "Dawn wants" : "none has this in its name";
    await assertRejects(create({ webgpu: "dawn", adapterName: none }), EngineError, wanted);
  }));

Deno.test("findAdapter() opens Dawn's adapter, or says that Dawn wants a newer driver", async () => {
  if (own !== null) {
    const { webgpu, adapter } = await findAdapter({ webgpu: "dawn" });
    assert(isDawns(webgpu));
    assertEquals(adapter.info.device, own.info.device);
    return;
  }
  const error = await assertRejects(
    () => findAdapter({ webgpu: "dawn" }),
    EngineError,
    "Dawn wants",
  );
  assertEquals(error.code, "adapter_missing");
});

Deno.test("findAdapter() names the adapters there are where none has the name asked for", async () => {
  const list = [" * backend: 'vulkan', name: 'A (1)'", " * backend: 'opengl', name: 'A (1)'"];
  const webgpu = {
    requestAdapter: () => Promise.reject(new Error(`none suits\n${list.join("\n")}`)),
  } as unknown as GPU;
  const error = await assertRejects(() => findAdapter({ webgpu }), EngineError);
  assertEquals(error.code, "adapter_missing");
  assertMatch(error.message, /none has this in its name, case counts; there are: A \(1\)$/);
});

Deno.test("openGpu() knows whose device it opened", async () => {
  const options = [{}, { webgpu: "deno" as const }, { webgpu: await dawn() }];
  const found: string[] = [];
  for (const each of options) {
    const gpu = await openGpu(each);
    gpu.close();
    assert(gpu.facts.name.length > 3, gpu.facts.name);
    found.push(gpu.facts.webgpu);
  }
  assertEquals(found, ["deno", "deno", "dawn"]);
});

Deno.test("turns of the loop in which Dawn looks for results rest, and those of JavaScript do not", async () => {
  /** Milliseconds of 40 turns with that callback. */
  const measure = async (wrap: (resolve: () => void) => () => void) => {
    const start = performance.now();
    for (let turn = 0; turn < 40; turn++) {
      await new Promise<void>((resolve) => setImmediate(wrap(resolve)));
    }
    return performance.now() - start;
  };
  const ofDawn = await measure((resolve) => resolve.bind(null)); // a bound function is native
  assert(ofDawn >= 40 * 0.25, `${ofDawn} ms`);
  // The least of some tries: others may use the machine.
  let least = Infinity;
  for (let i = 0; i < 20; i++) {
    least = Math.min(least, await measure((resolve) => () => resolve()));
  }
  assert(least < 40 * 0.25, `${least} ms`);
});
