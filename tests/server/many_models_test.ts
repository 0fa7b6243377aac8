/** Several models over one device, on a real socket. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { createApp } from "../../server/app.ts";
import { parseFlags } from "../../server/cli/flags.ts";
import { readModelsFlags } from "../../server/cli/models_flag.ts";
import { serveCommand } from "../../server/cli/serve.ts";
import { ModelPool } from "../../server/models/model_pool.ts";
import { startServer } from "../../server/serve.ts";
import { ServerState } from "../../server/state.ts";
import { AnswerCheck } from "../support/answer_check.ts";
import { tinyPrompt } from "../support/tiny_engine.ts";
import { writeTinyModel } from "../support/tiny_model.ts";

const PROMPT = tinyPrompt(64 * 3 + 10, 4);
const SWAP_COUNT = 10;

/** A server of the models `one` and `two`, of which one is loaded at a time. */
async function withTwoModels(
  flags: readonly string[],
  body: (server: { url: string; pool: ModelPool; check: AnswerCheck }) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "packkv-models-" });
  try {
    for (const [index, name] of ["one", "two"].entries()) {
      await writeTinyModel(`${folder}/${name}.gguf`, { seed: index + 1, layerCount: 1 });
    }
    const args = [
      "--models",
      folder,
      "--kv-disk",
      `${folder}/blocks`,
      "--profile",
      "paper",
      "--speculation",
      "off",
      "--sequences",
      "1",
    ];
    const read = await readModelsFlags(parseFlags([...args, ...flags], serveCommand.flags));
    const pool = new ModelPool(read!.sources, read!.limits);
    const state = new ServerState();
    state.setOpen();
    const app = createApp({ state, models: pool });
    const served = { app, state, hostname: "127.0.0.1", port: 0, keyCount: 0 };
    const server = await startServer({ ...served, release: () => pool.close() });
    try {
      const check = new AnswerCheck((path) => fetch(server.url + path));
      await body({ url: server.url, pool, check });
    } finally {
      await pool.close();
      await server.stop();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("two models swapped ten times answer from the disk, give their memory back and lose no request", async () => {
  await withTwoModels([], async ({ url, pool, check }) => {
    const ask = async (model: string) => {
      const body = { model, prompt: PROMPT, max_tokens: 3, ignore_eos: true, temperature: 0 };
      const init = { method: "POST", body: JSON.stringify(body) };
      const response = await check.fetch(`${url}/v1/completions`, init);
      assertEquals(response.status, 200);
      const { model: named, choices, usage } = await response.json();
      assertEquals(named, model);
      return { text: choices[0].text, cached: usage.prompt_tokens_details.cached_tokens };
    };
    const texts = new Map<string, string>();
    const residentBytes: number[] = [];
    for (let swap = 0; swap < SWAP_COUNT; swap++) {
      const model = ["one", "two"][swap % 2];
      const answer = await ask(model);
      assertEquals(answer.cached, swap < 2 ? 0 : 64 * 3, `swap ${swap}`);
      assertEquals(answer.text, texts.get(model) ?? answer.text);
      texts.set(model, answer.text);
      assertEquals(pool.loadedIds, [model]);
      residentBytes.push(Deno.memoryUsage().rss);
    }
    // A device that is not given back keeps more than that each time.
    const grown = Math.max(...residentBytes.slice(-2)) - residentBytes[2];
    assert(grown < 64 * 2 ** 20, `${residentBytes}`);
    const asked = ["one", "two", "one", "two", "two"];
    const answers = await Promise.all(asked.map(ask));
    assertEquals(answers.map(({ text }) => text), asked.map((model) => texts.get(model)));
    assert(texts.get("one") !== texts.get("two"));
    const metrics = await (await fetch(`${url}/metrics`)).text();
    assertMatch(metrics, /^packkv:model_loads_total\{model_name="one"\} [67]$/m);
  });
});
