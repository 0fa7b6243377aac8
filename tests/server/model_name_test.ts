/** The names that a real server gives its model. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { startServe } from "../support/serve_process.ts";
import { withTinyModel } from "../support/tiny_engine.ts";

Deno.test("--model-name gives the served name and others; a wrong one gets 404 that says which there are", () =>
  withTinyModel({ contextLength: 256 }, async (path) => {
    const flags = ["--model", path, "--profile", "paper", "--log", "off"];
    const server = await startServe([...flags, "--model-name", "org/mine, gpt-4o,default"]);
    try {
      const ask = async (endpoint: string, body: object) => {
        const response = await fetch(new URL(endpoint, server.url), {
          method: "POST",
          body: JSON.stringify(body),
        });
        return { status: response.status, body: await response.json() };
      };
      const bodies = {
        "/v1/completions": { prompt: "hi", max_tokens: 1 },
        "/v1/responses": { input: "hi", max_output_tokens: 1 },
      };
      for (const model of ["org/mine", "gpt-4o", "default", "", null]) {
        const { status, body } = await ask("/v1/completions", {
          prompt: "hi",
          max_tokens: 1,
          model,
        });
        assertEquals([model, status, body.model], [model, 200, "org/mine"]);
      }
      for (const [endpoint, body] of Object.entries(bodies)) {
        const wrong = await ask(endpoint, { ...body, model: "gpt-4" });
        assertEquals([wrong.status, wrong.body.error.code], [404, "model_not_found"]);
        assertStringIncludes(wrong.body.error.message, '"org/mine", "gpt-4o", "default"');
      }
      const list = await (await fetch(new URL("/v1/models", server.url))).json();
      assertEquals(list.data.map(({ id }: { id: string }) => id), ["org/mine"]);
      assertEquals(list.data[0].aliases, ["gpt-4o", "default"]);
      const one = await fetch(new URL("/v1/models/org/mine", server.url));
      assertEquals((await one.json()).id, "org/mine");
      const metrics = await (await fetch(new URL("/metrics", server.url))).text();
      assertStringIncludes(metrics, 'model_name="org/mine"');
      const [, blocks] = /cache_config_info\{block_size="64",num_gpu_blocks="(\d+)"/.exec(metrics)!;
      // Four sequences of 256 tokens, of which each has two blocks behind its window.
      assertEquals(Number(blocks), 8);
    } finally {
      await server.end("SIGINT");
    }
  }));
