import { assert, assertEquals, assertRejects } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import { createEngine } from "../../src/engine/client.ts";
import type { Engine, EngineOptions } from "../../src/engine/types.ts";
import { openGpu } from "../../src/gpu/open_gpu.ts";
import { collectEvents, collectIds, tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";
import { countTurns, eventually } from "../support/waiting.ts";

/** So long that it is over before a failure on no machine. */
const REQUEST = { promptIds: tinyPrompt(40, 1), maxTokens: 15_000, ignoreEos: true };

/** An engine whose worker is `support/failing_worker.ts`. */
async function withFailingEngine(
  moment: "load" | "later",
  body: (open: (options?: Partial<EngineOptions>) => Promise<Engine>) => Promise<void>,
): Promise<void> {
  const RealWorker = globalThis.Worker;
  globalThis.Worker = class extends RealWorker {
    constructor(_: string | URL, options?: WorkerOptions) {
      const url = new URL("../support/failing_worker.ts", import.meta.url);
      url.search = moment;
      super(url, options);
    }
  };
  try {
    await withTinyModel({ contextLength: 16_384 }, (modelPath) => {
      return body((options) => createEngine({ modelPath, profile: { name: "paper" }, ...options }));
    });
  } finally {
    globalThis.Worker = RealWorker;
  }
}

/**
 * Tells the worker until `engine` has failed, since a message may pass before anyone listens.
 *
 * @param failure `lost`, `validation`, `exception`, or a path: see `support/failing_worker.ts`.
 */
async function makeFail(engine: Engine, failure: string): Promise<void> {
  const channel = new BroadcastChannel("device failure");
  const failed = engine.failed.then(() => true);
  const pause = () => new Promise<false>((resolve) => setTimeout(resolve, 100, false));
  do channel.postMessage(failure); while (!(await Promise.race([failed, pause()])));
  channel.close();
}

const FAILURES = [
  { failure: "lost", code: "device_lost" },
  { failure: "validation", code: "gpu_validation" },
  { failure: "exception", code: "device_lost" },
] as const;

for (const { failure, code } of FAILURES) {
  for (const state of ["generates", "is idle"] as const) {
    Deno.test(`failed resolves to ${code}, and all that waits rejects, if the engine ${state} (${failure})`, async () => {
      await withFailingEngine("later", async (open) => {
        const engine = await open();
        const running = engine.generate(REQUEST)[Symbol.asyncIterator]();
        if (state === "generates") await running.next();
        await makeFail(engine, failure);
        const { code: found, message } = await engine.failed;
        assertEquals(found, code, message);
        assert(message.length > 0);
        const error = await assertRejects(async () => {
          while (!(await running.next()).done);
        }, EngineError);
        assertEquals([error.code, error.message], [code, message]);
        const stats = await assertRejects(() => engine.stats(), EngineError);
        assertEquals(stats.code, code);
        const turns = countTurns(10);
        await engine.close();
        turns.stop();
        assert(turns.count < 100, "a failed engine closes at once");
      });
    });
  }
}

Deno.test("what a lost device leaves in the tiers is whole: the next engine uses it, the text is the same", async () => {
  const diskFolder = await Deno.makeTempDir({ prefix: "packkv-lost-" });
  const tiers = { hostSizeBytes: 2 ** 24, diskFolder };
  const document = { promptIds: tinyPrompt(800, 2), maxTokens: 12, ignoreEos: true };
  try {
    await withFailingEngine("later", async (open) => {
      const first = await open(tiers);
      const expected = await collectIds(first, document);
      // Lost in the middle of steps that seal, while blocks are on their way to host and disk.
      const running = first.generate({ ...REQUEST, promptIds: tinyPrompt(700, 3) });
      const iterator = running[Symbol.asyncIterator]();
      await iterator.next();
      await makeFail(first, "lost");
      await assertRejects(async () => {
        while (!(await iterator.next()).done);
      }, EngineError);
      await first.close();
      const next = await open(tiers);
      const events = await collectEvents(next, document);
      const ids = events.flatMap((event) => event.type === "token" ? [event.id] : []);
      const finish = events.at(-1);
      await next.close();
      assertEquals(ids, expected);
      assert(finish?.type === "finish" && finish.cachedTokenCount > 0, "blocks were kept");
    });
  } finally {
    await Deno.remove(diskFolder, { recursive: true });
  }
});

Deno.test("stats() asked before a failure rejects with it", async () => {
  const folder = await Deno.makeTempDir({ prefix: "packkv-failure-" });
  const path = `${folder}/held`;
  await withFailingEngine("later", async (open) => {
    const engine = await open();
    const failing = makeFail(engine, path);
    await eventually(() => Deno.stat(path).then(() => true, () => false));
    const asked = [engine.stats(), engine.stats()];
    await Deno.remove(path);
    for (const stats of asked) {
      const { code } = await assertRejects(() => stats, EngineError);
      assertEquals(code, "device_lost");
    }
    await failing;
    await engine.close();
  });
  await Deno.remove(folder);
});

Deno.test("createEngine() rejects if the device fails while it loads", async () => {
  await withFailingEngine("load", async (open) => {
    const error = await assertRejects(open, EngineError);
    assertEquals(error.code, "gpu_validation", error.message);
  });
});

Deno.test("Gpu reports the first validation error, and keeps it", async () => {
  const gpu = await openGpu();
  const codes: string[] = [];
  gpu.onFailure = (code) => codes.push(code);
  const buffer = gpu.createBuffer("small", 16);
  for (let index = 0; index < 2; index++) gpu.write(buffer, 16, new Uint32Array(4));
  await eventually(() => codes.length > 0);
  // What came behind the first would come now.
  await gpu.device.queue.onSubmittedWorkDone();
  gpu.close();
  assertEquals(codes, ["gpu_validation"]);
  assertEquals(gpu.failure?.code, "gpu_validation");
});

Deno.test("Gpu reports the loss of its device, but not that by close()", async () => {
  for (const [isClosed, expected] of [[false, ["device_lost"]], [true, []]] as const) {
    const gpu = await openGpu();
    const codes: string[] = [];
    gpu.onFailure = (code) => codes.push(code);
    if (isClosed) gpu.close();
    else gpu.device.destroy();
    await gpu.device.lost;
    await new Promise((resolve) => setTimeout(resolve, 10));
    assertEquals(codes, [...expected]);
    gpu.close();
  }
});
