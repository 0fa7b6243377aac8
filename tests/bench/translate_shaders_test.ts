/** The command that translates shaders, with programs in place of naga and spirv-val. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { distinctTexts, translate } from "../../bench/kernels/translate_shaders.ts";

/** A program of a shell script. */
async function program(folder: string, name: string, script: string): Promise<string> {
  const path = `${folder}/${name}`;
  await Deno.writeTextFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return path;
}

Deno.test("translate() gives naga a text with its constants, and spirv-val what came of it", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const log = `${folder}/log`;
    const good = await program(folder, "good", `echo "$@" >> ${log}`);
    const bad = await program(folder, "bad", "echo 'error: no such thing' >&2; exit 1");
    const text = { label: "matmul", code: "override N: u32;", constants: { N: 5, M: 2 } };
    assertEquals(await translate(text, { naga: good, spirvVal: good }, folder), null);
    const [naga, validated] = (await Deno.readTextFile(log)).trim().split("\n");
    assertStringIncludes(naga, `--override N=5,M=2 ${folder}/text.wgsl ${folder}/text.spv`);
    assertStringIncludes(naga, `${folder}/text.metal ${folder}/text.hlsl`);
    assertStringIncludes(validated, `${folder}/text.spv`);
    const message = "error: no such thing";
    assertEquals(await translate(text, { naga: bad, spirvVal: good }, folder), {
      label: "matmul",
      step: "naga",
      message,
    });
    assertEquals(await translate(text, { naga: good, spirvVal: bad }, folder), {
      label: "matmul",
      step: "spirv-val",
      message,
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("distinctTexts() has each text once, named by where it was met first", async () => {
  const adapters = ["NVIDIA on Vulkan", "AMD GCN on Vulkan"];
  const texts = await distinctTexts({ models: ["135M"], adapters });
  const keys = texts.map(({ code, constants }) => JSON.stringify([code, Object.keys(constants)]));
  assertEquals(new Set(keys).size, keys.length);
  assert(texts.every(({ label }) => label.endsWith("of 135M on NVIDIA on Vulkan")));
});
