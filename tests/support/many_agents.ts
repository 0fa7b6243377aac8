/** Agents at once on one engine: each asks again as soon as it was answered. */

import type { Engine } from "../../src/engine/types.ts";
import { tinyPrompt } from "./tiny_engine.ts";

/** What each of them does. */
export interface AgentPlan {
  agentCount: number;
  /** Tokens of the first prompt. */
  promptTokenCount: number;
  turnCount: number;
  /** Tokens of an answer, and of what its call gives. */
  answerTokenCount: number;
  resultTokenCount: number;
}

/** One answered request. */
export interface AgentRequest {
  agent: number;
  turn: number;
  promptIds: readonly number[];
  answerIds: readonly number[];
  cachedTokenCount: number;
  /** From its arrival to its first token. */
  firstTokenMs: number;
  /** Requests that came later and had their first token before. */
  overtakenCount: number;
}

/** Runs them to their ends; the requests, by their first tokens. */
export async function runAgents(engine: Engine, plan: AgentPlan): Promise<AgentRequest[]> {
  const requests: AgentRequest[] = [];
  /** Arrivals that have no first token yet. */
  const waiting = new Set<{ overtakenCount: number }>();
  const ask = async (agent: number, turn: number, promptIds: readonly number[]) => {
    const arrival = { overtakenCount: 0 };
    // Those before it in the set came before it.
    waiting.add(arrival);
    const startMs = performance.now();
    const answerIds: number[] = [];
    const given = { agent, turn, promptIds, answerIds, cachedTokenCount: 0, firstTokenMs: 0 };
    const request = { promptIds, maxTokens: plan.answerTokenCount, ignoreEos: true };
    for await (const event of engine.generate({ ...request, isContinued: true })) {
      if (event.type === "finish") given.cachedTokenCount = event.cachedTokenCount;
      if (event.type !== "token" || answerIds.push(event.id) > 1) continue;
      given.firstTokenMs = performance.now() - startMs;
      for (const other of waiting) {
        if (other === arrival) break;
        other.overtakenCount++;
      }
      waiting.delete(arrival);
    }
    requests.push({ ...given, ...arrival });
    return answerIds;
  };
  await Promise.all(Array.from({ length: plan.agentCount }, async (_, agent) => {
    let promptIds = tinyPrompt(plan.promptTokenCount, 100 + agent);
    for (let turn = 0; turn < plan.turnCount; turn++) {
      const answerIds = await ask(agent, turn, promptIds);
      const result = tinyPrompt(plan.resultTokenCount, 1000 + 100 * agent + turn);
      promptIds = [...promptIds, ...answerIds, ...result];
    }
  }));
  return requests;
}

/** The value below which a share of the values lies. */
export function percentile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(share * values.length)];
}
