/** `--models`: a folder, or a file that lists models. */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { parseFlags } from "../../server/cli/flags.ts";
import { readModelsFlags } from "../../server/cli/models_flag.ts";
import { serveCommand } from "../../server/cli/serve.ts";
import { UsageError } from "../../server/cli/usage_error.ts";
import { writeTinyModel } from "../support/tiny_model.ts";

const read = (args: readonly string[]) => readModelsFlags(parseFlags(args, serveCommand.flags));

async function refused(args: readonly string[]): Promise<string> {
  return (await assertRejects(() => read(args), UsageError)).message;
}

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "packkv-models-flag-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("--models FOLDER serves each GGUF file by its name, files of several parts once", () =>
  withFolder(async (folder) => {
    const files = ["b.Q4_1.gguf", "a.Q8_0.gguf", "a.Q4_K_M.gguf", "note.txt"];
    const parts = ["big-00001-of-00002.gguf", "big-00002-of-00002.gguf"];
    for (const name of [...files, ...parts]) await Deno.writeTextFile(`${folder}/${name}`, "");
    await writeTinyModel(`${folder}/tiny.gguf`, { contextLength: 512 });
    const { sources, limits } = (await read(["--models", folder, "--ctx", "300"]))!;
    assertEquals(sources.map(({ id }) => id), ["a.Q4_K_M", "a.Q8_0", "b", "big", "tiny"]);
    assertEquals(limits, { countMax: 1, memoryBytesMax: null });
    const { sizeBytes: _, ...outline } = (await sources[4].outline())!;
    assertEquals(outline, { contextLength: 300, contextLengthTrained: 512 });
  }));

Deno.test("--models FILE gives each table's model its own settings, and the rest of the file and the flags to all", () =>
  withFolder(async (folder) => {
    await writeTinyModel(`${folder}/tiny.gguf`, { contextLength: 512 });
    const file = `${folder}/models.toml`;
    await Deno.writeTextFile(
      file,
      `model-ttl = 60\n[small]\nmodel = "tiny.gguf"\naliases = ["s", "gpt-4o"]\nctx = 100\n` +
        `["me/other"]\nmodel = "tiny.gguf"\nmodel-ttl = 0\n`,
    );
    const flags = ["--models", file, "--ctx", "200", "--models-memory", "64"];
    const { sources, limits } = (await read(flags))!;
    const told = await Promise.all(sources.map(async ({ id, aliases, ttlMs, outline }) => {
      return [id, aliases, ttlMs, (await outline())?.contextLength];
    }));
    assertEquals(told, [["small", ["s", "gpt-4o"], 60_000, 100], ["me/other", [], null, 200]]);
    assertEquals(limits, { countMax: null, memoryBytesMax: 64 * 2 ** 20 });
  }));

Deno.test("--models refuses what is wrong by its name", () =>
  withFolder(async (folder) => {
    const file = `${folder}/models.toml`;
    assertStringIncludes(await refused(["--models", file]), "there is no such file");
    assertStringIncludes(await refused(["--models", folder]), "no file *.gguf");
    assertStringIncludes(await refused(["--model-ttl", "5"]), "--model-ttl 5 without --models");
    const both = await refused(["--models", folder, "--model", "x"]);
    assertStringIncludes(both, "Cannot use --model x with --models");
    const cases: [text: string, wanted: string][] = [
      ["", "no table of a model"],
      ["[a]\nctx = 5", "Cannot use a of"],
      ["[a]\nmodel = 'x'\nctxx = 5", "did you mean ctx?"],
      ["[a]\nmodel = 'x'\nctx = 'many'", "must be a whole number"],
      ["[a", "models.toml:1:2"],
    ];
    for (const [text, wanted] of cases) {
      await Deno.writeTextFile(file, text);
      assertStringIncludes(await refused(["--models", file]), wanted);
    }
  }));
