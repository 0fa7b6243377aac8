/**
 * Decoding behind a long prompt with all of it kept and with half of it, in turn in one run: what
 * else the machine does falls on both.
 *
 *     deno run -A bench/serving/keep_decode_bench.ts [TOKENS [LAYERS]]
 *
 * With LAYERS the model is the first of the default one's layers, with its head: what other layers
 * cost is as much again, so that the ratio is rather too low.
 *
 * @module
 */

import { createEngine, type Engine, loadTokenizer } from "../../mod.ts";
import { CALIBRATION_TEXT } from "../../src/calibration/text.ts";
import { defaultModelPath } from "../../tests/support/default_model.ts";
import { writeFirstLayers } from "../support/first_layers.ts";

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

const layerCount = Deno.args[1] === undefined ? null : Number(Deno.args[1]);
const folder = await Deno.makeTempDir();
let modelPath = defaultModelPath();
if (layerCount !== null) {
  const target = `${folder}/first-layers.gguf`;
  await writeFirstLayers(modelPath, { layerCount, target });
  modelPath = target;
}
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
    const ratio = all / half;
    console.log(JSON.stringify({ tokens: PROMPT_TOKEN_COUNT, layerCount, all, half, ratio }));
  }
} finally {
  await engine.close();
  await Deno.remove(folder, { recursive: true });
}
