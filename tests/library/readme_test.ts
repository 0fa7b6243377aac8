import { assert, assertEquals, assertMatch } from "@std/assert";
import { defaultModelPath } from "../support/default_model.ts";

const ROOT = new URL("../../", import.meta.url);

Deno.test("the README's library example is at most 15 lines and runs as it stands", async () => {
  const readme = await Deno.readTextFile(new URL("README.md", ROOT));
  const [, example] = /```ts\n([^`]*)```/.exec(readme) ?? [];
  assert(example, "the README has an example in TypeScript");
  assert(example.trimEnd().split("\n").length <= 15, "the example has at most 15 lines");
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    const library = new URL("mod.ts", ROOT).href;
    await Deno.writeTextFile(path, example.replace('"./mod.ts"', JSON.stringify(library)));
    const config = new URL("deno.json", ROOT).pathname;
    const args = ["run", "-A", "--config", config, path, defaultModelPath()];
    const { code, stdout } = await new Deno.Command(Deno.execPath(), { args }).output();
    const text = new TextDecoder().decode(stdout);
    assertEquals(code, 0);
    assertMatch(text, /Paris/);
    assertMatch(text, /length 8\n$/);
  } finally {
    await Deno.remove(path);
  }
});
