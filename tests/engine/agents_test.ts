/** Agents at once on one engine, more than it has slots, in a budget that holds them packed. */

import { assertEquals, assertGreater, assertLess, assertLessOrEqual } from "@std/assert";
import { percentile, runAgents } from "../support/many_agents.ts";
import { collectIds, withTinyEngine } from "../support/tiny_engine.ts";

const BLOCK_TOKEN_COUNT = 64;
const PLAN = {
  agentCount: 8,
  promptTokenCount: 2048,
  turnCount: 4,
  answerTokenCount: 40,
  resultTokenCount: 30,
};
/** Half of what all of it would take as f16. */
const CACHE_SIZE_BYTES = 2 * 2 ** 20;

Deno.test("eight agents at once in one budget, which would not hold them unpacked, read nothing twice, and none starves", () =>
  withTinyEngine({
    model: { layerCount: 1, contextLength: 4096 },
    sequenceCountMax: 4,
    stepTokenCountMax: 64,
    cacheSizeBytes: CACHE_SIZE_BYTES,
  }, async (engine) => {
    const requests = await runAgents(engine, PLAN);
    const { agentCount, promptTokenCount, turnCount } = PLAN;
    assertEquals(requests.length, agentCount * turnCount, "all are answered");
    const last = requests.filter(({ turn }) => turn === turnCount - 1);
    const allCount = last.reduce((sum, { promptIds }) => sum + promptIds.length, 0);
    assertGreater(allCount * engine.info.tokenBytes, 2 * engine.info.cacheCapacityBytes);
    // Each token once: what is new in a turn, and what stands in the block where it begins.
    const { promptTokenCount: readCount, preemptionCount } = await engine.stats();
    const partCount = agentCount * (turnCount - 1) * (BLOCK_TOKEN_COUNT - 1);
    assertLessOrEqual(readCount, allCount + partCount);
    assertEquals(preemptionCount, 0);
    for (const { turn, promptIds, cachedTokenCount } of requests) {
      const known = turn === 0
        ? 0
        : promptIds.length - PLAN.answerTokenCount - PLAN.resultTokenCount;
      assertLess(known - cachedTokenCount, BLOCK_TOKEN_COUNT, `turn ${turn}`);
    }
    const most = Math.max(...requests.map(({ overtakenCount }) => overtakenCount));
    assertLess(most, (agentCount - 1) * (turnCount - 1), "none waits for all turns of all others");
    const later = requests.filter(({ turn }) => turn > 0).map(({ firstTokenMs }) => firstTokenMs);
    console.log(
      `${agentCount} agents with ${promptTokenCount} tokens: ${readCount} tokens read of ` +
        `${allCount}; first token of later turns after ${percentile(later, 0.5).toFixed(0)} ms ` +
        `(median), ${percentile(later, 0.95).toFixed(0)} ms (p95)`,
    );
    // The cache shows in no text.
    const { promptIds, answerIds } = last[0];
    const request = { promptIds, maxTokens: PLAN.answerTokenCount, ignoreEos: true };
    assertEquals(await collectIds(engine, { ...request, skipsCache: true }), answerIds);
  }));
