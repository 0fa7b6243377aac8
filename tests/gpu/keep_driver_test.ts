import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("../support/driver_process.ts", import.meta.url));

Deno.test({
  name: "a driver stays loaded after the worker that opened the GPU has ended",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", PROGRAM],
      stderr: "inherit",
    }).output();
    assertEquals(code, 0);
    const { before, after } = JSON.parse(new TextDecoder().decode(stdout));
    assert(before.length > 0, "no driver of Mesa is loaded: this test shows nothing here");
    assertEquals(after, before);
  },
});
