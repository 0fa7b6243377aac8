import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("../support/gpu_process.ts", import.meta.url));

Deno.test({
  name: "drivers stay loaded after the worker that opened the GPU has ended",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", PROGRAM],
      stderr: "inherit",
    }).output();
    assertEquals(code, 0);
    const { before, after } = JSON.parse(new TextDecoder().decode(stdout));
    assert(before.some((path: string) => path.includes("vulkan")), String(before));
    assertEquals(before.filter((path: string) => !after.includes(path)), []);
  },
});
