import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "node:path";
import { ensureModel } from "../../server/setup/model_path.ts";
import { SetupError } from "../../server/setup/setup_error.ts";

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("ensureModel() takes a path that exists as it is", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "m.gguf");
    await Deno.writeTextFile(path, "GGUF");
    assertEquals(await ensureModel(path), path);
  });
});

Deno.test("ensureModel() uses PACKKV_MODEL if no model is named", async () => {
  const before = Deno.env.get("PACKKV_MODEL");
  try {
    await withFolder(async (folder) => {
      const path = join(folder, "m.gguf");
      await Deno.writeTextFile(path, "GGUF");
      Deno.env.set("PACKKV_MODEL", path);
      assertEquals(await ensureModel(null), path);
    });
  } finally {
    if (before === undefined) Deno.env.delete("PACKKV_MODEL");
    else Deno.env.set("PACKKV_MODEL", before);
  }
});

for (const model of ["/nowhere/m.gguf", "./a/b/m.gguf", "m.gguf", "no model at all"]) {
  Deno.test(`ensureModel() refuses ${model} if there is no such file, asks no hub`, async () => {
    const error = await assertRejects(() => ensureModel(model), SetupError);
    assertMatch((error as Error).message, /no such file/);
  });
}

Deno.test("ensureModel() refuses a folder", async () => {
  await withFolder(async (folder) => {
    const error = await assertRejects(() => ensureModel(folder), SetupError);
    assertMatch((error as Error).message, /it is no file/);
  });
});
