/** A server that is ended right after an answer, and started again, with a disk tier. */

import { assert, assertEquals } from "@std/assert";
import { defaultModelPath } from "../support/default_model.ts";
import { type ServeProcess, startServe } from "../support/serve_process.ts";
import { tinyPrompt } from "../support/tiny_engine.ts";

const BLOCK_COUNT = 11;

/** Asks for one token; the text, and how much of the prompt was cached. */
async function ask({ url }: ServeProcess): Promise<{ text: string; cached: number }> {
  const prompt = tinyPrompt(64 * BLOCK_COUNT + 10, 4);
  const response = await fetch(new URL("/v1/completions", url), {
    method: "POST",
    body: JSON.stringify({ prompt, max_tokens: 1, ignore_eos: true, temperature: 0 }),
  });
  const { choices, usage } = await response.json();
  return { text: choices[0].text, cached: usage.prompt_tokens_details.cached_tokens };
}

// Of the real model, whose raw tiles take a step each to be copied to the host.
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`a server ended by ${signal} right after an answer serves the prompt from disk when it is back`, async () => {
    const folder = await Deno.makeTempDir({ prefix: "packkv-restart-" });
    const tiers = ["--kv-host-memory", "64", "--kv-disk", folder];
    const flags = ["--model", defaultModelPath(), "--log", "off", ...tiers];
    try {
      const first = await startServe(flags);
      const answer = await ask(first);
      const startMs = performance.now();
      assertEquals([answer.cached, await first.end(signal)], [0, 0]);
      assert(performance.now() - startMs < 2000);
      const second = await startServe(flags);
      try {
        assertEquals(await ask(second), { text: answer.text, cached: 64 * BLOCK_COUNT });
      } finally {
        await second.end("SIGINT");
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}
