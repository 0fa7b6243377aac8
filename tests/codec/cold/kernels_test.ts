/**
 * `kernels.wasm` is what `kernels.as` and `channel_kernels.as` say. To make it anew:
 * `UPDATE_KERNELS=1` with this test.
 */

import { assertEquals } from "@std/assert";
import asc from "assemblyscript/asc";

const FOLDER = new URL("../../../src/codec/cold/", import.meta.url);
const COMPILED = new URL("kernels.wasm", FOLDER);
const SOURCES = ["kernels", "channel_kernels"];
const OPTIONS = ["-O3", "--runtime", "stub", "--enable", "simd", "--noAssert"];

Deno.test("kernels.wasm is kernels.as and channel_kernels.as, compiled", async () => {
  const texts = SOURCES.map(async (name) => {
    return [`${name}.ts`, await Deno.readTextFile(new URL(`${name}.as`, FOLDER))] as const;
  });
  const sources = new Map<string, string>(await Promise.all(texts));
  const made: Uint8Array[] = [];
  const { error, stderr } = await asc.main(
    ["kernels.ts", "-o", "kernels.wasm", ...OPTIONS, "--initialMemory", "1"],
    {
      readFile: (name: string) => sources.get(name) ?? null,
      writeFile: (_: string, data: string | Uint8Array) => {
        if (data instanceof Uint8Array) made.push(data);
      },
      listFiles: () => [],
    },
  );
  assertEquals(error, null, stderr.toString());
  if (Deno.env.get("UPDATE_KERNELS") === "1") await Deno.writeFile(COMPILED, made[0]);
  assertEquals(await Deno.readFile(COMPILED), made[0]);
});
