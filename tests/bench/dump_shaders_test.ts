import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { dumpShaders } from "../../bench/kernels/dump_shaders.ts";

Deno.test("dumpShaders() writes each text once, with where its lines come from", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const which = { models: ["135M"], adapters: ["Intel on Vulkan", "DX12"] };
    const count = await dumpShaders(folder, which);
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
    assertEquals(names.length, count);
    const banded = names.find((name) => name.endsWith("_attention_decode_banded.wgsl"));
    assert(banded !== undefined, names.join(" "));
    const text = await Deno.readTextFile(`${folder}/${banded}`);
    assertStringIncludes(text, "//: file shaders/attention_decode/banded.wgsl\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
