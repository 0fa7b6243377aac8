/** `--webgpu` and `--adapter` of the commands that measure a model. */

import { assertEquals, assertRejects } from "@std/assert";
import { calibrateCommand } from "../../server/cli/calibrate.ts";
import { evalCommand } from "../../server/cli/eval.ts";
import { measuredName } from "../../server/cli/measured_model.ts";
import { UsageError } from "../../server/cli/usage_error.ts";
import { EngineError } from "../../src/core/errors.ts";
import { withTinyModel } from "../support/tiny_engine.ts";

Deno.test("the name of a measured model says how its products are made and whose WebGPU made them", () => {
  assertEquals(measuredName("tiny", { math: "f32", adapter: {} }), "tiny");
  const both = measuredName("tiny", { math: "int8", adapter: { webgpu: "dawn" } });
  assertEquals(both, "tiny, products in int8, by dawn");
});

Deno.test("packkv eval and calibrate open the GPU that is asked for, or say why not", () =>
  withTinyModel({ type: "F16" }, async (path) => {
    const text = path.replace("tiny.gguf", "text.txt");
    await Deno.writeTextFile(text, "It is said again and again. ".repeat(40));
    const common = ["--model", path, "--text", text];
    const lines = [
      [evalCommand, [...common, "--tokens", "128", "--profiles", "exact"]],
      [evalCommand, [...common, "--continuations", "--tokens", "16", "--prompts", "1"]],
      [calibrateCommand, [...common, "--output", `${path}.json`]],
    ] as const;
    for (const [command, args] of lines) {
      const withName = ["--adapter", "no such GPU"];
      await assertRejects(
        () => command.run([...args, ...withName], new Map()),
        UsageError,
        "finds no adapter by its name, --webgpu dawn does",
      );
      await assertRejects(
        () => command.run([...args, "--webgpu", "dawn", ...withName], new Map()),
        EngineError,
        "Dawn",
      );
    }
  }));
