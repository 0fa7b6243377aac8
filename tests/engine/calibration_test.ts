import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { createEngine } from "../../mod.ts";
import { parseCalibration, serialiseCalibration } from "../../src/calibration/calibration.ts";
import { EngineError } from "../../src/core/errors.ts";
import { measureCalibration } from "../../src/runtime/calibration_run.ts";
import { calibrationIds } from "../../src/runtime/calibration_source.ts";
import { loadModel } from "../../src/runtime/load_model.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { collectIds, tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

/** Runs `body` with the user's cache in a folder of its own. */
async function withCache(body: (folder: string) => Promise<void>): Promise<void> {
  const kept = Deno.env.get("XDG_CACHE_HOME");
  const folder = await Deno.makeTempDir({ prefix: "packkv-cache-" });
  Deno.env.set("XDG_CACHE_HOME", folder);
  try {
    await body(folder);
  } finally {
    if (kept === undefined) Deno.env.delete("XDG_CACHE_HOME");
    else Deno.env.set("XDG_CACHE_HOME", kept);
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("measureCalibration() gives the same bytes each time, and refuses a text that is too short", () =>
  withTinyModel({}, async (path) => {
    const model = await loadModel(await readGguf(path), () => {});
    try {
      const measure = async (count: number) =>
        serialiseCalibration(await measureCalibration(model, tinyPrompt(count, 3), () => {}));
      const first = await measure(300);
      // What is measured is what its file gives back, to the last bit.
      const measured = await measureCalibration(model, tinyPrompt(300, 3), () => {});
      const { kvHeadCount, headSize, layerCount } = model.shape;
      const { modelFingerprint } = measured;
      const channelCount = kvHeadCount * headSize;
      const owner = { modelFingerprint, path: "", layerCount, kvHeadCount, channelCount };
      assertEquals(parseCalibration(first, owner), measured);
      assertEquals(await measure(300), first);
      const short = await assertRejects(() => measure(100), EngineError) as EngineError;
      assert(short.message.includes("at least 128"), short.message);
    } finally {
      model.gpu.close();
    }
  }));

Deno.test("calibrationIds() of a file without a tokenizer are random, over the whole vocabulary, each time the same", () =>
  withTinyModel({ hasTokenizer: false, contextLength: 4096 }, async (path) => {
    const ids = calibrationIds(await readGguf(path));
    assertEquals(calibrationIds(await readGguf(path)), ids);
    assertEquals(ids.length, 4096);
    const counts = Object.values(Object.groupBy(ids, (id) => id)).map((each) => each!.length);
    // 14 times each of 288, and 4 standard deviations.
    assertEquals([counts.length, Math.max(...counts) < 30], [288, true]);
    const file = await readGguf(path);
    assertThrows(() => calibrationIds(file, "a text"), EngineError, "has no tokenizer");
  }));

Deno.test("createEngine() measures a calibration once, keeps it, and refuses a damaged one", () =>
  withTinyModel({ contextLength: 512 }, (modelPath) =>
    withCache(async (folder) => {
      const texts: number[][] = [];
      const told: string[][] = [];
      for (let start = 0; start < 2; start++) {
        const messages: string[] = [];
        const engine = await createEngine({
          modelPath,
          profile: { name: "balanced" },
          onProgress: (message) => messages.push(message),
        });
        told.push(messages);
        assert(engine.info.profile.startsWith("balanced (k-step"), engine.info.profile);
        assert(engine.info.profile.includes("even over layers"), engine.info.profile);
        const { settings, layerSteps, calibration } = engine.info.codec;
        assertEquals([settings.name, layerSteps], ["balanced", "even"]);
        assertMatch(calibration!.textFingerprint, /^[0-9a-f]{32}$/);
        try {
          texts.push(await collectIds(engine, { promptIds: tinyPrompt(300, 4), maxTokens: 12 }));
        } finally {
          await engine.close();
        }
      }
      assert(
        told[0].some((message) => message.includes("query energies")),
        "the first start tells",
      );
      assert(!told[1].some((message) => message.includes("query energies")), "the second does not");
      assertEquals(texts[1], texts[0]);
      const calibrations = `${folder}/packkv/calibrations`;
      const [file] = [...Deno.readDirSync(calibrations)];
      const path = `${calibrations}/${file.name}`;
      const bytes = await Deno.readFile(path);
      bytes[100] ^= 1;
      await Deno.writeFile(path, bytes);
      const options = { modelPath, profile: { name: "tight" as const } };
      const error = await assertRejects(() => createEngine(options), EngineError) as EngineError;
      assert(error.message.includes(path) && error.message.includes("packkv calibrate"));
    })));

Deno.test("near-lossless is tried on a model once, its steps are finer there, and steps given are taken", () =>
  withTinyModel({ contextLength: 512 }, (modelPath) =>
    withCache(async () => {
      const start = async (steps: { keyStep?: number }) => {
        const messages: string[] = [];
        const engine = await createEngine({
          modelPath,
          profile: { name: "near-lossless", ...steps },
          onProgress: (message) => messages.push(message),
        });
        try {
          const { profile } = engine.info;
          const ids = await collectIds(engine, { promptIds: tinyPrompt(300, 4), maxTokens: 4 });
          return { profile, ids, isTried: messages.some((each) => each.includes("trying near-l")) };
        } finally {
          await engine.close();
        }
      };
      const first = await start({});
      assert(first.isTried, "the first start tries the profile");
      assertMatch(first.profile, /^near-lossless \(k-step 1\.1,.*\), steps times 0\.\d+ for this/);
      assertEquals(await start({}), { ...first, isTried: false });
      const given = await start({ keyStep: 1 });
      assertEquals([given.isTried, given.profile.includes("steps times")], [false, false]);
    })));
