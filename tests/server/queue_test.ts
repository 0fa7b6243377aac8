/** How many requests a real server takes at a time. */

import { assert, assertEquals } from "@std/assert";
import { type ServeProcess, startServe } from "../support/serve_process.ts";
import { tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

/** Runs `body` against a server with some flags. */
function withFlags(flags: string[], body: (server: ServeProcess) => Promise<void>): Promise<void> {
  return withTinyModel({ contextLength: 1024 }, async (model) => {
    const own = ["--model", model, "--profile", "paper", "--log", "off"];
    const server = await startServe([...own, ...flags]);
    try {
      await body(server);
    } finally {
      await server.end("SIGINT");
    }
  });
}

/** Statuses of requests sent at once. */
function statuses({ url }: ServeProcess, count: number, maxTokens: number): Promise<number[]> {
  const requests = Array.from({ length: count }, async (_, seed) => {
    const response = await fetch(new URL("/v1/completions", url), {
      method: "POST",
      body: JSON.stringify({
        prompt: tinyPrompt(50, seed + 1),
        max_tokens: maxTokens,
        ignore_eos: true,
      }),
    });
    await response.body?.cancel();
    return response.status;
  });
  return Promise.all(requests);
}

Deno.test("--queue 0 refuses nothing while slots are free, one request behind the other", () =>
  withFlags(["--sequences", "1", "--queue", "0"], async (server) => {
    for (let round = 0; round < 30; round++) {
      assertEquals(await statuses(server, 1, 1 + round % 3), [200], `request ${round}`);
    }
    const at = await statuses(server, 3, 100);
    assertEquals(at.toSorted(), [200, 429, 429]);
  }));

Deno.test("--sequences 4 --queue 1 takes four at once and one that waits", () =>
  withFlags(["--sequences", "4", "--queue", "1"], async (server) => {
    for (let round = 0; round < 5; round++) {
      assertEquals(await statuses(server, 4, 20), [200, 200, 200, 200]);
    }
    const many = await statuses(server, 12, 200);
    const taken = many.filter((status) => status === 200).length;
    assert(taken >= 5 && taken < 12, many.join(" "));
    assert(many.every((status) => status === 200 || status === 429), many.join(" "));
  }));
