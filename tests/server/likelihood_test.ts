/** Likelihoods as evaluation harnesses ask for them, on the real model with an exact cache. */

import { assert, assertEquals } from "@std/assert";
import { createApp } from "../../server/app.ts";
import { loadServedModel } from "../../server/cli/load_model.ts";
import { ServerState } from "../../server/state.ts";
import { defaultModelPath } from "../support/default_model.ts";
import { sharedFile } from "../support/shared.ts";
import { poster } from "./harness.ts";

/** Largest mean difference of the log-probabilities of a prompt. */
const ERROR_MEAN_MAX = 0.02;

Deno.test("echo, logprobs and max_tokens 0 give the golden log-probabilities of prompts", async () => {
  const path = sharedFile("golden/logits.json");
  if (path === null) return;
  const cases: { name: string; prompt_ids: number[]; prompt_logprobs: number[] }[] = JSON.parse(
    await Deno.readTextFile(path),
  );
  const options = { contextLength: 1024, profile: { name: "exact" as const } };
  const model = await loadServedModel(defaultModelPath(), options);
  const state = new ServerState();
  state.setReady(model);
  const post = poster(createApp({ state, modelId: "m" }));
  // As harnesses do: several prompts of token ids in one request.
  const prompt = cases.map(({ prompt_ids }) => prompt_ids);
  const body = { prompt, echo: true, logprobs: 1, max_tokens: 0 };
  const response = await post("/v1/completions", body);
  assertEquals(response.status, 200);
  const { choices } = await response.json();
  assertEquals(choices.length, 5);
  for (const [index, { name, prompt_ids, prompt_logprobs }] of cases.entries()) {
    const { token_logprobs, tokens, top_logprobs } = choices[index].logprobs;
    assertEquals([token_logprobs.length, token_logprobs[0]], [prompt_ids.length, null]);
    assertEquals(tokens.join(""), choices[index].text);
    const errors = prompt_logprobs.map((wanted, i) => Math.abs(token_logprobs[i + 1] - wanted));
    const mean = errors.reduce((sum, error) => sum + error, 0) / Math.max(1, errors.length);
    console.log(
      `${name}: mean error ${mean.toFixed(5)}, largest ${Math.max(0, ...errors).toFixed(4)}`,
    );
    assert(mean <= ERROR_MEAN_MAX, `mean error of ${name} is ${mean}`);
    for (let i = 1; i < tokens.length; i++) {
      const [best] = Object.values<number>(top_logprobs[i]);
      assert(token_logprobs[i] <= best, "no token is likelier than the likeliest");
    }
  }
  await model.engine.close();
});
