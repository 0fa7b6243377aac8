/**
 * Device time of sealing as a share of the time of decoding, behind a long prompt.
 *
 *     deno run -A bench/serving/sealing_share_bench.ts
 *
 * @module
 */

import { createEngine, loadTokenizer, type ProfileOptions } from "../../mod.ts";
import { CALIBRATION_TEXT } from "../../src/calibration/text.ts";
import { defaultModelPath } from "../../tests/support/default_model.ts";

const PROMPT_TOKEN_COUNT = 4096;
/** Four blocks are sealed meanwhile. */
const TOKEN_COUNT = 257;
const PROFILES: readonly ProfileOptions[] = [
  { name: "paper" },
  { name: "paper", repack: "greedy" },
  { name: "balanced" },
];

async function measure(modelPath: string, profile: ProfileOptions, ids: readonly number[]) {
  const engine = await createEngine({ modelPath, profile, sequenceCountMax: 1 });
  try {
    const request = { promptIds: ids, maxTokens: TOKEN_COUNT, ignoreEos: true };
    let [startMs, endMs, startSeconds, startCount] = [0, 0, 0, 0];
    for await (const event of engine.generate(request)) {
      if (event.type !== "token") continue;
      endMs = performance.now();
      if (startMs > 0) continue;
      const stats = await engine.stats();
      [startMs, startSeconds, startCount] = [
        performance.now(),
        stats.sealingSeconds,
        stats.sealedBlockCount,
      ];
    }
    const { sealingSeconds, sealedBlockCount } = await engine.stats();
    const decodeSeconds = (endMs - startMs) / 1000;
    const ownSeconds = sealingSeconds - startSeconds;
    return {
      profile: engine.info.profile,
      blocks: sealedBlockCount - startCount,
      sealingSeconds: ownSeconds,
      decodeSeconds,
      share: ownSeconds / decodeSeconds,
    };
  } finally {
    await engine.close();
  }
}

const modelPath = defaultModelPath();
const tokenizer = await loadTokenizer(modelPath);
const ids = Array.from(tokenizer.tokenize(CALIBRATION_TEXT, { parseSpecial: false }));
while (ids.length < PROMPT_TOKEN_COUNT) ids.push(...ids);
for (const profile of PROFILES) {
  const result = await measure(modelPath, profile, ids.slice(0, PROMPT_TOKEN_COUNT));
  console.log(JSON.stringify(result));
}
