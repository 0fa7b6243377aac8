import { assert, assertEquals, assertRejects } from "@std/assert";
import { createEngine, EngineError, type EngineOptions } from "../../mod.ts";
import { collectIds, tinyPrompt, withTinyEngine, withTinyModel } from "../support/tiny_engine.ts";
import { countTurns } from "../support/waiting.ts";

const REQUEST = { promptIds: tinyPrompt(20, 1), maxTokens: 8, ignoreEos: true };

async function assertCode(code: string, action: () => Promise<unknown>): Promise<EngineError> {
  const error = await assertRejects(action, EngineError);
  assertEquals(error.code, code, error.message);
  return error;
}

Deno.test("close() is idempotent, and what is asked after it rejects with shutting_down", async () => {
  await withTinyEngine({}, async (engine) => {
    assertEquals((await collectIds(engine, REQUEST)).length, 8);
    const first = engine.close();
    await assertCode("shutting_down", () => collectIds(engine, REQUEST));
    await assertCode("shutting_down", () => engine.stats());
    await Promise.all([first, engine.close()]);
    await engine.close();
    await assertCode("shutting_down", () => collectIds(engine, REQUEST));
  });
});

Deno.test("close() rejects running generations and pending stats within 1.5 s", async () => {
  await withTinyEngine({ model: { contextLength: 2048 } }, async (engine) => {
    const events = engine.generate({ ...REQUEST, maxTokens: 2000 })[Symbol.asyncIterator]();
    await events.next();
    const turns = countTurns(10);
    const running = assertCode("shutting_down", async () => {
      while (!(await events.next()).done);
    });
    const stats = assertCode("shutting_down", () => engine.stats());
    await engine.close();
    turns.stop();
    assert(turns.count <= 150, `${turns.count} turns of 10 ms`);
    await Promise.all([running, stats]);
  });
});

Deno.test("close() with no time for the tiers waits for the device's work and for the worker", async () => {
  const ended = Promise.withResolvers<number>();
  const Original = globalThis.Worker;
  globalThis.Worker = class extends Original {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      this.addEventListener("message", ({ data }) => {
        if (data.type === "closed") ended.resolve(performance.now());
      });
    }
  };
  try {
    await withTinyModel({ contextLength: 2048 }, async (modelPath) => {
      const engine = await createEngine({ modelPath, profile: { name: "paper" }, tune: "off" });
      const events = engine.generate({ ...REQUEST, promptIds: tinyPrompt(1500, 1) });
      const running = assertCode("shutting_down", async () => {
        for await (const _ of events);
      });
      await new Promise((resolve) => setTimeout(resolve, 20)); // a step is on the device
      await engine.close(0);
      const closedAt = performance.now();
      assert(await ended.promise <= closedAt, "the worker ended before");
      await running;
    });
  } finally {
    globalThis.Worker = Original;
  }
});

Deno.test("createEngine() gives the same text from several engines one after another", async () => {
  await withTinyModel({}, async (modelPath) => {
    const texts: number[][] = [];
    for (let index = 0; index < 3; index++) {
      const engine = await createEngine({ modelPath, profile: { name: "paper" } });
      try {
        texts.push(await collectIds(engine, REQUEST));
      } finally {
        await engine.close();
      }
    }
    assertEquals(texts, [texts[0], texts[0], texts[0]]);
  });
});

Deno.test("createEngine() tells its progress, from 0 to 1, and what is in force", async () => {
  const fractions: number[] = [];
  const options: Partial<EngineOptions> = {
    onProgress: (_, fraction) => fractions.push(fraction),
    profile: { name: "paper", packSize: 32, repack: "median" },
    sequenceCountMax: 2,
  };
  await withTinyEngine({ ...options, model: { contextLength: 320 } }, ({ info }) => {
    assertEquals([fractions[0], fractions.at(-1)], [0, 1]);
    assertEquals(fractions, fractions.toSorted((a, b) => a - b));
    const { modelName, contextLength, profile, sequenceCountMax, vocabSize } = info;
    assertEquals(modelName, "tiny");
    assertEquals(profile, "paper (k-rel 0.1, v-rel 0.2, pack 32, repack median)");
    assertEquals([contextLength, sequenceCountMax, vocabSize], [320, 2, 288]);
    return Promise.resolve();
  });
});

Deno.test("createEngine() names a file that is missing, no GGUF, or cut off", async () => {
  await withTinyModel({}, async (path) => {
    const open = (modelPath: string) => createEngine({ modelPath, profile: { name: "paper" } });
    const missing = await assertCode("model_file_invalid", () => open(`${path}.missing`));
    assert(missing.message.includes(`${path}.missing`), missing.message);
    const bytes = await Deno.readFile(path);
    await Deno.writeTextFile(`${path}.txt`, "no model\n".repeat(100));
    await assertCode("model_file_invalid", () => open(`${path}.txt`));
    await Deno.writeFile(`${path}.cut`, bytes.subarray(0, bytes.length - 1000));
    await assertCode("model_file_invalid", () => open(`${path}.cut`));
  });
});

const REFUSED: { why: string; options: Partial<EngineOptions>; code: string; says: RegExp }[] = [
  {
    why: "a context longer than the model's",
    options: { contextLength: 513 },
    code: "invalid_request",
    says: /513.*512/,
  },
  {
    why: "a pack size of 12",
    options: { profile: { name: "paper", packSize: 12 } },
    code: "invalid_request",
    says: /packSize 12/,
  },
  {
    why: "a cache smaller than one block",
    options: { cacheSizeBytes: 1000 },
    code: "model_too_large",
    says: /the budget is 1000/,
  },
];

for (const { why, options, code, says } of REFUSED) {
  Deno.test(`createEngine() refuses ${why} with ${code}`, async () => {
    await withTinyModel({}, async (modelPath) => {
      const { message } = await assertCode(
        code,
        () => createEngine({ modelPath, profile: { name: "paper" }, ...options }),
      );
      assert(says.test(message), message);
    });
  });
}

Deno.test("createEngine() refuses another architecture by name", async () => {
  await withTinyModel({ metadata: { "general.architecture": "mamba" } }, async (modelPath) => {
    const { message } = await assertCode(
      "model_unsupported",
      () => createEngine({ modelPath, profile: { name: "paper" } }),
    );
    assert(message.includes("mamba"), message);
  });
});

for (const sequenceCountMax of [0, 1.5, 65]) {
  Deno.test(`createEngine() refuses ${sequenceCountMax} sequences with a RangeError`, async () => {
    await assertRejects(
      () => createEngine({ modelPath: "unread", sequenceCountMax }),
      RangeError,
      "wanted 1 to 64",
    );
  });
}
