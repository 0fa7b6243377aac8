/**
 * What submitting steps before those before them are read gains, where reading takes long.
 *
 *     deno run -A bench/serving/unread_steps_bench.ts [ROUNDS]
 *
 * A small seeded model, whose steps take as long as those of a large one on a GPU, generates alone.
 * Reads take 0, 1, 3 and 10 ms more than they do here, in which their thread stands; `awaited` ones
 * sleep the runtime's own 10 ms, in which it does not. Limits of unread steps take turns.
 * `msPerToken` is of the fastest round, `gapMs` the longest time between two of its tokens: what
 * else the machine does only adds to them.
 *
 * @module
 */

import { UNREAD_COUNT_MAX } from "../../src/runtime/step_clock.ts";
import type { TokenUse } from "../../src/engine/types.ts";
import { LoopHere } from "../../tests/support/loop_here.ts";
import { awaitReads, delayReads, type SlowReads } from "../../tests/support/slow_reads.ts";
import { tinyPrompt, withTinyModel } from "../../tests/support/tiny_engine.ts";

const ROUND_COUNT = Number(Deno.args[0] ?? 15);
const TOKEN_COUNT = 40;
const READS: [name: string, slow: () => SlowReads][] = [
  ["0 ms more", () => delayReads(0)],
  ["1 ms more", () => delayReads(1)],
  ["3 ms more", () => delayReads(3)],
  ["10 ms more", () => delayReads(10)],
  ["awaited", awaitReads],
];
const USES: TokenUse[] = ["collect", "stream"];

const rounded = (value: number) => Math.round(value * 100) / 100;

/** Times between the tokens of a generation. */
async function gaps(loop: LoopHere, tokenUse: TokenUse): Promise<number[]> {
  const times: number[] = [];
  const promptIds = tinyPrompt(10, 1);
  const request = { promptIds, maxTokens: TOKEN_COUNT, ignoreEos: true, speculates: false };
  for await (const { type } of loop.generate({ ...request, tokenUse })) {
    if (type === "token") times.push(performance.now());
  }
  return times.slice(1).map((time, index) => time - times[index]);
}

/** Rounds of one kind of reads. */
async function measure(modelPath: string, name: string, slow: () => SlowReads) {
  const reads = slow();
  const loop = await LoopHere.open({ modelPath, profile: { name: "balanced" }, tune: "off" });
  const { times } = loop.runtime.driver.runner;
  const cases = USES.flatMap((tokenUse) =>
    [1, UNREAD_COUNT_MAX].map((limit) => ({
      tokenUse,
      limit,
      msPerToken: Infinity,
      gapMs: 0,
      unread: 0,
    }))
  );
  for (let round = 0; round < ROUND_COUNT; round++) {
    for (const each of cases) {
      times.unreadLimit = each.limit;
      const own = await gaps(loop, each.tokenUse);
      const msPerToken = own.reduce((sum, gap) => sum + gap, 0) / own.length;
      if (msPerToken >= each.msPerToken) continue;
      Object.assign(each, { msPerToken, gapMs: Math.max(...own), unread: times.unreadCountMax });
    }
  }
  await loop.close();
  reads.undo();
  const results = cases.map((each) => {
    const alone = cases.find(({ tokenUse, limit }) => tokenUse === each.tokenUse && limit === 1)!;
    return {
      ...each,
      msPerToken: rounded(each.msPerToken),
      gapMs: rounded(each.gapMs),
      tokensPerSecondRatio: rounded(alone.msPerToken / each.msPerToken),
    };
  });
  return { reads: name, results };
}

await withTinyModel({}, async (modelPath) => {
  for (const [name, slow] of READS) {
    console.log(JSON.stringify(await measure(modelPath, name, slow)));
  }
});
Deno.exit();
