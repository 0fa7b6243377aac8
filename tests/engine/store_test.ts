/** Blocks in a store that engines share, with a real server of it. */

import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { RESP_TYPES } from "@redis/client";
import { createEngine } from "../../src/engine/client.ts";
import type { Engine, EngineStats, GenerateRequest } from "../../src/engine/types.ts";
import { STORE_VERSION } from "../../src/runtime/prefix_root.ts";
import { type StoreProcess, withStore } from "../support/store_process.ts";
import { collectEvents, tinyPrompt, withEngine, withTinyModel } from "../support/tiny_engine.ts";
import { eventually } from "../support/waiting.ts";

/** Of a store that is made to fail. */
const TIMEOUT_MS = 1000;
/** Two answers are waited for; the rest is what a busy machine takes. */
const ADDED_MS_MAX = 4 * TIMEOUT_MS;
/** Of one that works, on a machine however busy. */
const PATIENT_MS = 60_000;
/** Blocks of a prompt in the store: sealed ones up to two before the last, and raw tiles. */
const KEY_COUNT = 10;
/** Of one: version, model, profile, block and kind. */
const KEY = new RegExp(`^packkv:${STORE_VERSION}:[0-9a-f]{32}:paper:[0-9a-f]{32}\\.\\w+$`);

const request = (seed: number): GenerateRequest => ({
  promptIds: tinyPrompt(400, seed),
  maxTokens: 8,
  ignoreEos: true,
  sampling: { temperature: 1.2, seed },
});

async function run(engine: Engine, seed: number) {
  const startMs = performance.now();
  const events = await collectEvents(engine, request(seed));
  const ids = events.flatMap((event) => event.type === "token" ? [event.id] : []);
  const last = events.at(-1)!;
  const cached = last.type === "finish" ? last.cachedTokenCount : NaN;
  return { ids, cached, elapsedMs: performance.now() - startMs };
}

const withOwn = <T>(
  modelPath: string,
  [storeUrl, storeTimeoutMs]: [url: string, timeoutMs: number],
  body: (engine: Engine) => Promise<T>,
) => withEngine({ modelPath, profile: { name: "paper" }, storeUrl, storeTimeoutMs }, body);

type Counts = NonNullable<EngineStats["store"]>;

async function until(engine: Engine, isReached: (counts: Counts) => boolean): Promise<Counts> {
  let counts: Counts | null = null;
  await eventually(async () => {
    counts = (await engine.stats()).store;
    return counts !== null && isReached(counts);
  });
  return counts!;
}

/** All keys that blocks have in the store. */
const keysOf = (store: StoreProcess) => store.use((client) => client.keys("packkv:*"));

Deno.test("what one engine reads another one of the same store has cached; a failing store changes no text", () =>
  withStore((store) =>
    withTinyModel(
      { contextLength: 1024 },
      (path) =>
        withOwn(path, [store.url, PATIENT_MS], async (a) => {
          const first = await run(a, 1);
          assertEquals(first.cached, 0);
          await until(a, ({ writtenBlockCount }) => writtenBlockCount >= KEY_COUNT);
          const keys = await keysOf(store);
          assertEquals(keys.length, KEY_COUNT);
          for (const key of keys) {
            assert(KEY.test(key), key);
          }
          assertGreater(await store.use((client) => client.ttl(keys[0])), 86_000);
          await withOwn(path, [store.url, PATIENT_MS], async (b) => {
            const again = await run(b, 1);
            assertEquals([again.cached, again.ids], [384, first.ids]);
            assertGreater((await until(b, (counts) => counts.readBlockCount > 0)).readBytes, 0);
          });
          // Garbage, a flipped bit, another type: misses, and the damaged values go.
          await store.use(async (client) => {
            const [, flipped, ...others] = keys;
            const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
            const bytes = await binary.get(flipped) as unknown as Buffer;
            bytes[bytes.length >> 1] ^= 1;
            await client.set(flipped, bytes);
            for (const key of others) await client.set(key, "garbage".repeat(100));
            await client.del(keys[0]);
            await client.rPush(keys[0], "no block");
          });
          await withOwn(path, [store.url, TIMEOUT_MS], async (b) => {
            const damaged = await run(b, 1);
            assertEquals([damaged.cached, damaged.ids], [0, first.ids]);
            await store.use((client) => client.flushAll());
            const flushed = await run(b, 2);
            const limitMs = flushed.elapsedMs + ADDED_MS_MAX;
            // Paused: one request waits for its answers, later ones do not.
            store.kill("SIGSTOP");
            const paused = await run(b, 3);
            assert(paused.elapsedMs < limitMs, `${paused.elapsedMs} of ${limitMs} ms`);
            await until(b, ({ isUp }) => !isUp);
            store.kill("SIGCONT");
            await until(b, ({ isUp }) => isUp);
            store.kill("SIGKILL");
            const dead = await run(b, 4);
            assert(dead.elapsedMs < limitMs, `${dead.elapsedMs} of ${limitMs} ms`);
            await until(b, ({ isUp }) => !isUp);
            // The texts are those of an engine without a store.
            const alone = await createEngine({ modelPath: path, profile: { name: "paper" } });
            try {
              for (const [seed, { ids }] of [flushed, paused, dead].entries()) {
                assertEquals((await run(alone, seed + 2)).ids, ids);
              }
            } finally {
              await alone.close();
            }
          });
        }),
    )
  ));

Deno.test("an engine names a store's URL that is none, and does not start with a wrong password", () =>
  withStore((store) =>
    withTinyModel({}, async (modelPath) => {
      await assertRejects(
        () => createEngine({ modelPath, storeUrl: "http://127.0.0.1" }),
        RangeError,
        "redis://",
      );
      await store.use((client) => client.configSet("requirepass", "right"));
      const storeUrl = store.url.replace("//", "//:wrong@");
      const error = await assertRejects(
        () => createEngine({ modelPath, profile: { name: "paper" }, storeUrl }),
        Error,
        "Cannot use the store",
      );
      assert(!String(error).includes("wrong@"));
    })
  ));
