/** Models by short names, fetched from a hub on this machine, and what of them fits. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { describeModels } from "../../server/cli/models.ts";
import { CATALOGUE, catalogueEntry, isCached } from "../../server/setup/catalogue.ts";
import { fittingContext, SEALED_RATIOS } from "../../server/setup/model_fit.ts";
import { ensureModel } from "../../server/setup/model_path.ts";
import { ProgressLine } from "../../server/setup/progress.ts";
import { SetupError } from "../../server/setup/setup_error.ts";
import { ARCHITECTURES } from "../../src/model/architectures/registry.ts";
import { type HubBehaviour, startHub } from "./fake_hub.ts";

const GIB = 2 ** 30;

/** Runs `work` with an empty cache folder. */
async function withCache(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  const before = Deno.env.get("XDG_CACHE_HOME");
  Deno.env.set("XDG_CACHE_HOME", folder);
  try {
    await work(folder);
  } finally {
    if (before === undefined) Deno.env.delete("XDG_CACHE_HOME");
    else Deno.env.set("XDG_CACHE_HOME", before);
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("every model of the catalogue has a name of its own and an architecture that runs", () => {
  const names = CATALOGUE.map(({ name }) => name);
  assertEquals(new Set(names).size, names.length);
  for (const { name, architecture, layers, sizeBytes } of CATALOGUE) {
    assert(Object.hasOwn(ARCHITECTURES, architecture), `${name}: ${architecture}`);
    assert(layers.every(({ count }) => count > 0) && sizeBytes > 0, name);
  }
});

Deno.test("ensureModel() fetches a short name's file of the hub once, and then it is cached", async () => {
  const [repo, file] = ["Qwen/Qwen3-8B-GGUF", "Qwen3-8B-Q4_K_M.gguf"];
  const bytes = Uint8Array.from({ length: 5000 }, (_, index) => index);
  const behaviour: HubBehaviour = { bytes, cuts: [], ranges: [], repo, file };
  const { hubUrl, stop } = startHub(behaviour);
  const progress = new ProgressLine({ write: () => {}, isTerminal: false });
  const before = Deno.env.get("HF_ENDPOINT");
  Deno.env.set("HF_ENDPOINT", hubUrl);
  try {
    await withCache(async (folder) => {
      const entry = catalogueEntry("qwen3:8b")!;
      assertEquals(await isCached(entry), false);
      const path = await ensureModel("qwen3:8b", progress);
      assertEquals(path, join(folder, "packkv/models/hub", repo.replace("/", "--"), file));
      assertEquals(await Deno.readFile(path), bytes);
      assertEquals(await isCached(entry), true);
      assertEquals(await ensureModel("qwen3:8b", progress), path);
      assertEquals(behaviour.ranges.length, 1);
      await Deno.truncate(path, 10);
      assertEquals(await isCached(entry), false);
    });
  } finally {
    if (before === undefined) Deno.env.delete("HF_ENDPOINT");
    else Deno.env.set("HF_ENDPOINT", before);
    await stop();
  }
});

Deno.test("ensureModel() lists short names like one that is not known", async () => {
  const error = await assertRejects(() => ensureModel("qwen3:9b"), SetupError);
  assertStringIncludes((error as Error).message, "short names like it: qwen3:0.6b, qwen3:1.7b");
});

Deno.test("fittingContext() counts weights, windows and the bytes of a token", () => {
  const qwen = catalogueEntry("qwen3:8b")!;
  const gemma = catalogueEntry("gemma3:12b")!;
  assertEquals(fittingContext(qwen, "exact", 4 * GIB), 0);
  // 36 layers of 8 heads of 128 in f16, K and V: 144 KiB a token.
  const free = 8 * GIB * 0.9 - qwen.sizeBytes - 256 * 2 ** 20 - 192 * 144 * 1024;
  assertEquals(fittingContext(qwen, "exact", 8 * GIB), Math.floor(free / (144 * 1024)));
  assertEquals(fittingContext(qwen, "balanced", 8 * GIB), qwen.contextLengthTrained);
  // Its 40 window layers keep 1,024 tokens each, so that 16 GiB hold a long context.
  const exact = fittingContext(gemma, "exact", 12 * GIB);
  assert(exact > 30_000 && exact < gemma.contextLengthTrained, String(exact));
  // A window has 3 tiles of 64 tokens in f16, 8 KiB a token, and 15 blocks at most sealed in it.
  const windows = 40 * (3 + 15 / SEALED_RATIOS.balanced) * 64 * 8 * 1024;
  const left = 9 * GIB * 0.9 - gemma.sizeBytes - 256 * 2 ** 20 - windows - 8 * 192 * 8 * 1024;
  const balanced = Math.floor(left * SEALED_RATIOS.balanced / (8 * 8 * 1024));
  assertEquals(fittingContext(gemma, "balanced", 9 * GIB), balanced);
});

Deno.test("fittingContext() takes the ratio of balanced from the README's table", async () => {
  const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  const [, sealed] = /^\| `balanced` \(default\) \| ([\d.]+), /m.exec(readme)!;
  assertEquals(SEALED_RATIOS.balanced, Number(sealed));
});

Deno.test("describeModels() lists size, whether it is here, and the context by profile", () => {
  const entry = catalogueEntry("qwen3:8b")!;
  assertEquals(describeModels([{ entry, cached: true }], 8 * GIB).split("\n"), [
    "model     size    here  exact  balanced  trained  from",
    "qwen3:8b  5.0 GB  yes   16304  40960     40960    Qwen/Qwen3-8B-GGUF:Qwen3-8B-Q4_K_M.gguf",
    "",
    "tokens of context that fit 8.0 GiB, by profile",
  ]);
  assertStringIncludes(describeModels([{ entry, cached: false }], 2 * GIB), "does not fit");
});
