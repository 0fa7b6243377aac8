/**
 * Decoding behind a long prompt with all of it kept and with half of it, in turn in one run: what
 * else the machine does falls on both.
 *
 *     deno run -A bench/serving/keep_decode_bench.ts [TOKENS]
 *
 * @module
 */

import { createEngine, type Engine, loadTokenizer } from "../../mod.ts";
import { CALIBRATION_TEXT } from "../../src/calibration/text.ts";
import { defaultModelPath } from "../../tests/support/default_model.ts";

const PROMPT_TOKEN_COUNT = Number(Deno.args[0] ?? 8000);
const TOKEN_COUNT = 26;
const ROUND_COUNT = 3;
const METHODS = ["all", "chunkkv:ratio=0.5"];

/** Milliseconds of a token, without the first two: what is dropped moves behind the first. */
async function tokenMs(engine: Engine, promptIds: readonly number[], keep: string) {
  const request = { promptIds, maxTokens: TOKEN_COUNT, ignoreEos: true, keep };
  const times: number[] = [];
  for await (const { type } of engine.generate(request)) {
    if (type === "token") times.push(performance.now());
  }
  return (times[times.length - 1] - times[1]) / (times.length - 2);
}

const modelPath = defaultModelPath();
const tokenizer = await loadTokenizer(modelPath);
const ids = Array.from(tokenizer.tokenize(CALIBRATION_TEXT, { parseSpecial: false }));
while (ids.length < PROMPT_TOKEN_COUNT) ids.push(...ids);
const promptIds = ids.slice(0, PROMPT_TOKEN_COUNT);
const options = { sequenceCountMax: 2, keep: "all", speculates: false };
const engine = await createEngine({ modelPath, profile: { name: "balanced" }, ...options });
try {
  for (let round = 0; round < ROUND_COUNT; round++) {
    const [all, half] = [
      await tokenMs(engine, promptIds, METHODS[0]),
      await tokenMs(engine, promptIds, METHODS[1]),
    ];
    console.log(JSON.stringify({ tokens: PROMPT_TOKEN_COUNT, all, half, ratio: all / half }));
  }
} finally {
  await engine.close();
}
