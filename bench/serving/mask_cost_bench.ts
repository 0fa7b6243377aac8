/**
 * What a grammar's mask costs a step: the same model decodes with and without a JSON schema by
 * turns.
 *
 *     deno run -A bench/serving/mask_cost_bench.ts
 *
 * @module
 */

import { createEngine, type Engine, type GenerateRequest, loadTokenizer } from "../../mod.ts";
import { defaultModelPath } from "../../tests/support/default_model.ts";

const ROUND_COUNT = 6;
const TOKEN_COUNT = 64;
/** Tokens before the clock starts: the grammar is compiled and the prompt read. */
const WARM_UP_COUNT = 8;

/** Numbers without end: the grammar allows some and forbids most tokens at every step. */
const SCHEMA = { type: "array", items: { type: "integer" }, minItems: 100 };

async function msPerToken(engine: Engine, request: GenerateRequest): Promise<number> {
  let [count, startMs, endMs] = [0, 0, 0];
  for await (const event of engine.generate(request)) {
    if (event.type !== "token") continue;
    endMs = performance.now();
    if (++count === WARM_UP_COUNT) startMs = endMs;
  }
  return (endMs - startMs) / (count - WARM_UP_COUNT);
}

const modelPath = defaultModelPath();
const tokenizer = await loadTokenizer(modelPath);
const promptIds = tokenizer.tokenize("A list of numbers:", { parseSpecial: false });
const engine = await createEngine({ modelPath });
const plain = { promptIds, maxTokens: TOKEN_COUNT, ignoreEos: true };
const masked: GenerateRequest = {
  ...plain,
  grammar: { type: "json_schema", schema: JSON.stringify(SCHEMA) },
};
const rounds: { plainMs: number; maskedMs: number }[] = [];
for (let round = 0; round <= ROUND_COUNT; round++) {
  const times = {
    plainMs: await msPerToken(engine, plain),
    maskedMs: await msPerToken(engine, masked),
  };
  if (round > 0) rounds.push(times);
}
await engine.close();
const ratios = rounds.map(({ plainMs, maskedMs }) => maskedMs / plainMs).sort((a, b) => a - b);
console.log(JSON.stringify({ rounds, medianRatio: ratios[ratios.length >> 1] }));
