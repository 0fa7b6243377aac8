/** `kernels.wasm` is what `kernels.as` says. To make it anew: `UPDATE_KERNELS=1` with this test. */

import { assertEquals } from "@std/assert";
import asc from "assemblyscript/asc";

const SOURCE = new URL("../../../src/codec/cold/kernels.as", import.meta.url);
const COMPILED = new URL("../../../src/codec/cold/kernels.wasm", import.meta.url);
const OPTIONS = ["-O3", "--runtime", "stub", "--enable", "simd", "--noAssert"];

Deno.test("kernels.wasm is kernels.as, compiled", async () => {
  const source = await Deno.readTextFile(SOURCE);
  const made: Uint8Array[] = [];
  const { error, stderr } = await asc.main(
    ["kernels.ts", "-o", "kernels.wasm", ...OPTIONS, "--initialMemory", "1"],
    {
      readFile: (name: string) => name === "kernels.ts" ? source : null,
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
