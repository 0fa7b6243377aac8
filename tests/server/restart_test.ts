/** A server that is ended right after an answer, and started again, with a disk tier. */

import { assertEquals, assertLess } from "@std/assert";
import { createEngine } from "../../src/engine/client.ts";
import { defaultModelPath } from "../support/default_model.ts";
import { type ServeProcess, startServe } from "../support/serve_process.ts";
import { collectEvents, tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";
import { GIVE_UP_MS } from "../support/waiting.ts";

const BLOCK_COUNT = 11;
/** Enough of the real model for sealed ones and raw ones. */
const REAL_BLOCK_COUNT = 6;
/** A server gives its engine a second to hand over what others can use. */
const CUT_MS = 800;

/** Asks for one token behind the prompt of a seed; the text, and how much of it was cached. */
async function ask(
  { url }: ServeProcess,
  seed: number,
): Promise<{ text: string; cached: number }> {
  const prompt = tinyPrompt(64 * BLOCK_COUNT + 10, seed);
  const response = await fetch(new URL("/v1/completions", url), {
    method: "POST",
    body: JSON.stringify({ prompt, max_tokens: 1, ignore_eos: true, temperature: 0 }),
  });
  const { choices, usage } = await response.json();
  return { text: choices[0].text, cached: usage.prompt_tokens_details.cached_tokens };
}

/**
 * Asks, ends the server by `signal`, starts it again and asks the same.
 *
 * @returns False if the end took so long that it may have been cut, and something is missing.
 */
async function restart(
  { flags, server, seed }: { flags: readonly string[]; server: ServeProcess; seed: number },
  signal: Deno.Signal,
): Promise<{ server: ServeProcess; isDone: boolean }> {
  const { text, cached } = await ask(server, seed);
  const startMs = performance.now();
  assertEquals([cached, await server.end(signal)], [0, 0]);
  const tookMs = performance.now() - startMs;
  const next = await startServe(flags);
  const again = await ask(next, seed);
  const isCut = again.cached < 64 * BLOCK_COUNT && tookMs > CUT_MS;
  if (!isCut) assertEquals(again, { text, cached: 64 * BLOCK_COUNT });
  return { server: next, isDone: !isCut };
}

Deno.test("a server ended by SIGTERM or SIGINT right after an answer serves the prompt from disk when it is back", () =>
  withTinyModel({ contextLength: 1024 }, async (path) => {
    const folder = await Deno.makeTempDir({ prefix: "packkv-restart-" });
    const tiers = ["--kv-host-memory", "64", "--kv-disk", folder];
    const flags = ["--model", path, "--profile", "paper", "--log", "off", ...tiers];
    let server = await startServe(flags);
    try {
      let seed = 0;
      for (const signal of ["SIGTERM", "SIGINT"] as const) {
        // A machine so busy that the end is cut is asked again.
        for (let isDone = false; !isDone;) {
          assertLess(++seed, 20, "an end is not cut");
          ({ server, isDone } = await restart({ flags, server, seed }, signal));
        }
      }
    } finally {
      await server.end("SIGINT");
      await Deno.remove(folder, { recursive: true });
    }
  }));

// Raw tiles of the real model take a step each to be copied to the host.
Deno.test("an engine closed right after an answer of the real model has all of its prompt on disk", async () => {
  const diskFolder = await Deno.makeTempDir({ prefix: "packkv-restart-" });
  const options = { modelPath: defaultModelPath(), hostSizeBytes: 64 * 2 ** 20, diskFolder };
  const run = async () => {
    const engine = await createEngine({ ...options, contextLength: 1024 });
    const promptIds = tinyPrompt(64 * REAL_BLOCK_COUNT + 10, 4);
    const events = await collectEvents(engine, { promptIds, maxTokens: 1, ignoreEos: true });
    await engine.close(GIVE_UP_MS);
    const [token] = events.flatMap((event) => event.type === "token" ? [event.id] : []);
    const finish = events.at(-1)!;
    return { token, cached: finish.type === "finish" ? finish.cachedTokenCount : NaN };
  };
  try {
    const { token, cached } = await run();
    assertEquals(cached, 0);
    assertEquals(await run(), { token, cached: 64 * REAL_BLOCK_COUNT });
  } finally {
    await Deno.remove(diskFolder, { recursive: true });
  }
});
