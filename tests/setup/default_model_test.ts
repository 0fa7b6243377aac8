import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { defaultModelCachePath } from "../../server/setup/default_model.ts";

Deno.test("defaultModelCachePath() follows XDG_CACHE_HOME, then HOME", () => {
  const before = { xdg: Deno.env.get("XDG_CACHE_HOME"), home: Deno.env.get("HOME") };
  const suffix = join("packkv", "models", "SmolLM2-135M-Instruct.Q4_1.gguf");
  try {
    Deno.env.set("XDG_CACHE_HOME", "/x");
    assertEquals(defaultModelCachePath(), join("/x", suffix));
    Deno.env.delete("XDG_CACHE_HOME");
    Deno.env.set("HOME", "/h");
    assertEquals(defaultModelCachePath(), join("/h", ".cache", suffix));
  } finally {
    if (before.xdg === undefined) Deno.env.delete("XDG_CACHE_HOME");
    else Deno.env.set("XDG_CACHE_HOME", before.xdg);
    if (before.home !== undefined) Deno.env.set("HOME", before.home);
  }
});
