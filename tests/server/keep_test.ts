/** What stays of prompts, as a server's clients ask for it and as its operator sees it. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { startServe } from "../support/serve_process.ts";
import { tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

const PROMPT = tinyPrompt(530, 1);
/** Sealed tokens of the prompt: what is behind them is in the raw window. */
const SEALED = 384;

Deno.test("kv.keep and kv.read of a request are honoured; /slots, /props and /metrics say what stayed and was read", () =>
  withTinyModel({ contextLength: 1024 }, async (model) => {
    const keep = ["--keep", "chunkkv:ratio=0.5"];
    const read = ["--read", "quest:blocks=1,dense=0"];
    const flags = ["--model", model, "--profile", "exact", ...keep, ...read];
    const server = await startServe([...flags, "--log", "off"]);
    const ask = (path: string) => fetch(new URL(path, server.url));
    const complete = async (kv: object | undefined) => {
      const response = await fetch(new URL("/v1/completions", server.url), {
        method: "POST",
        body: JSON.stringify({
          prompt: PROMPT,
          max_tokens: 400,
          ignore_eos: true,
          temperature: 0,
          stream: true,
          ...(kv ? { kv } : {}),
        }),
      });
      return { response, reader: response.body!.getReader() };
    };
    try {
      const { limits } = await (await ask("/props")).json();
      assertEquals([limits.keep, limits.read], [keep[1], read[1]]);
      const other = { keep: "chunkkv:tokens=200", read: "all" };
      for (const [kv, tokens] of [[undefined, 116], [other, 52]] as const) {
        const { reader } = await complete(kv);
        for (let count = 0; count < 12; count++) await reader.read();
        const slots = await (await ask("/slots")).json();
        const { kept } = slots.find((slot: { is_processing: boolean }) => slot.is_processing);
        assertEquals(kept.method, kv?.keep ?? "chunkkv:ratio=0.5");
        assertEquals(kept.sealed_tokens, SEALED);
        for (const layer of kept.layers) {
          // The first chunk may be among those that stay: the sinks are in it.
          assert([tokens, tokens - 4].includes(layer.tokens), `${layer.tokens} tokens`);
          assert(layer.bytes > 0);
        }
        const { memory } = await (await ask("/props")).json();
        for (const [index, layer] of memory.layers.entries()) {
          // And whole blocks of the prompt's end, once they have left the window.
          assertEquals((layer.packed_tokens - kept.layers[index].tokens) % 64, 0);
        }
        const metrics = await (await ask("/metrics")).text();
        assertMatch(metrics, /packkv:kv_layer_tokens\{layer="0"/);
        const [readable, own] = ["readable", "read"].map((name) =>
          Number(new RegExp(`packkv:${name}_tokens_total\\S* (\\d+)`).exec(metrics)![1])
        );
        assert(own < readable, "a row reads one block of two");
        await reader.cancel();
        while (
          (await (await ask("/slots")).json()).some((slot: { is_processing: boolean }) =>
            slot.is_processing
          )
        ) await new Promise((resolve) => setTimeout(resolve, 20));
      }
      const refusals = [
        ["read", "clusterkv:tokens=64", "wanted the same method"],
        ["keep", "snapkv", "no method is called snapkv"],
      ];
      for (const [name, value, why] of refusals) {
        const { response, reader } = await complete({ [name]: value });
        assertEquals(response.status, 400);
        const { error } = JSON.parse(new TextDecoder().decode((await reader.read()).value));
        assertEquals(error.param, `kv.${name}`);
        assertStringIncludes(error.message, why);
        await reader.cancel();
      }
    } finally {
      await server.end("SIGINT");
    }
  }));
