/** Agents that take turns on the scheduler, as many as there is room for and more. */

import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import { adaptive } from "../../src/scheduler/adaptive_retention.ts";
import { conversationsLast } from "../../src/scheduler/conversation_retention.ts";
import { leastRecentlyUsed } from "../../src/scheduler/retention.ts";
import { Scheduler } from "../../src/scheduler/scheduler.ts";
import type { SchedulerOptions } from "../../src/scheduler/scheduler.ts";

const RECORD_WORDS = 64;
const TILE_WORDS = 6 * RECORD_WORDS;
const ANSWER_COUNT = 70;
const RESULT_COUNT = 60;

function makeScheduler(blockCount: number, options: Partial<SchedulerOptions> = {}): Scheduler {
  return new Scheduler({
    sequenceCountMax: 4,
    waitingCountMax: 20,
    contextLength: 65_536,
    layerCount: 1,
    arenas: [{ storeCount: 1, wordCount: blockCount * RECORD_WORDS }],
    recordWordsMin: RECORD_WORDS,
    recordWordsMax: RECORD_WORDS,
    prefix: { root: "r", tileWords: [TILE_WORDS] },
    ...options,
  });
}

/** An agent's conversation, which grows by an answer and a result each turn. */
class Agent {
  readonly ids: number[];
  readonly readCounts: number[] = [];
  /** Steps from asking to the first token, by turn. */
  readonly waits: number[] = [];
  readonly #agent: number;

  constructor(agent: number, promptTokenCount: number) {
    this.#agent = agent;
    this.ids = Array.from({ length: promptTokenCount }, (_, index) => agent * 100_000 + index);
  }

  /** What it asks for next. */
  request(sequenceId: number) {
    this.readCounts.push(0);
    const limits = { maxTokens: ANSWER_COUNT, eosIds: [], ignoreEos: true, isContinued: true };
    return { sequenceId, promptIds: [...this.ids], ...limits };
  }

  /** Its tool has run. */
  answer(tokens: readonly number[]): void {
    this.ids.push(...tokens);
    for (let count = 0; count < RESULT_COUNT; count++) {
      this.ids.push(this.#agent * 100_000 + 50_000 + this.ids.length);
    }
  }
}

/** Agents on one scheduler; each asks again when it was answered, `turnCount` times. */
function converse(
  scheduler: Scheduler,
  agents: readonly Agent[],
  { turnCount, isInTurn, ...pinned }: { turnCount: number; isInTurn: boolean; pins?: boolean },
): { stepCount: number } {
  const asked = new Map<number, { agent: Agent; tokens: number[]; step: number; turn: number }>();
  let nextId = 1;
  let stepCount = 0;
  const ask = (agent: Agent, turn: number) => {
    const sequenceId = nextId++;
    asked.set(sequenceId, { agent, tokens: [], step: stepCount, turn });
    scheduler.admit({ ...agent.request(sequenceId), ...pinned });
  };
  const run = () => {
    for (let plan = scheduler.plan(); plan !== null; plan = scheduler.plan()) {
      stepCount++;
      const rows = [...plan.decodes, ...(plan.slice?.isLast ? [plan.slice] : [])];
      const sampled = new Map(rows.map(({ sequenceId }) => [sequenceId, 7]));
      if (plan.slice?.isComplete) {
        const { agent } = asked.get(plan.slice.sequenceId) ?? {};
        if (agent) agent.readCounts[agent.readCounts.length - 1] += plan.slice.ids.length;
      }
      const recordWords = plan.measures.map(() => [RECORD_WORDS]);
      scheduler.commit(plan, { ids: sampled, recordWords, refused: [] });
      for (const event of scheduler.drainEvents()) {
        const entry = asked.get(event.sequenceId);
        if (!entry) continue;
        const { agent, tokens, step, turn } = entry;
        if (event.type === "token") {
          if (tokens.push(event.id) === 1) agent.waits.push(stepCount - step);
        } else if (event.type === "finish") {
          asked.delete(event.sequenceId);
          agent.answer(tokens);
          if (!isInTurn && turn + 1 < turnCount) ask(agent, turn + 1);
        } else assertEquals(event.type, "prefill");
      }
    }
  };
  if (isInTurn) {
    for (let turn = 0; turn < turnCount; turn++) {
      for (const agent of agents) {
        ask(agent, turn);
        run();
      }
    }
  } else {
    for (const agent of agents) ask(agent, 0);
    run();
  }
  scheduler.checkIntegrity();
  return { stepCount };
}

const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);

/** Most that a next turn reads: its result, and less than a block before it. */
const NEW_COUNT_MAX = RESULT_COUNT + 64;

/** Tokens that five agents read after their first turns, with room for four. */
function rereadByFive(retention: SchedulerOptions["retention"]): { read: number; all: number } {
  const length = 2600;
  const turnCount = 8;
  const scheduler = makeScheduler(4 * 110, retention ? { retention } : {});
  const agents = [1, 2, 3, 4, 5].map((agent) => new Agent(agent, length));
  converse(scheduler, agents, { turnCount, isInTurn: true });
  const later = agents.flatMap(({ readCounts }) => readCounts.slice(1));
  return { read: sum(later), all: agents.length * (turnCount - 1) * length };
}

Deno.test("one agent more than there is room for does not push all others out, turn by turn", () => {
  const simple = rereadByFive(leastRecentlyUsed);
  assertGreaterOrEqual(simple.read, simple.all, "so the test shows something");
  for (const retention of [conversationsLast, adaptive]) {
    const { read, all } = rereadByFive(retention);
    assertLessOrEqual(read, 0.45 * all);
  }
});

Deno.test("conversations that ended make room for new ones", () => {
  const scheduler = makeScheduler(4 * 110, { retention: conversationsLast });
  const ended = [1, 2, 3].map((agent) => new Agent(agent, 2600));
  converse(scheduler, ended, { turnCount: 4, isInTurn: true });
  const fresh = [4, 5, 6].map((agent) => new Agent(agent, 2600));
  converse(scheduler, fresh, { turnCount: 6, isInTurn: true });
  for (const { readCounts } of fresh) {
    assert(readCounts.slice(2).every((count) => count <= 390), String(readCounts));
  }
});

Deno.test("a pinned conversation is there after any number of others, until it is pinned no more", () => {
  const scheduler = makeScheduler(4 * 110);
  const kept = new Agent(9, 2600);
  const readAfterOthers = (pins?: boolean) => {
    converse(scheduler, [kept], {
      turnCount: 1,
      isInTurn: true,
      ...(pins === undefined ? {} : { pins }),
    });
    const others = Array.from({ length: 12 }, () => new Agent(10 + otherCount++, 2600));
    converse(scheduler, others, { turnCount: 1, isInTurn: true });
    return kept.readCounts.at(-1)!;
  };
  let otherCount = 0;
  assertEquals(readAfterOthers(true), 2600);
  assertLessOrEqual(readAfterOthers(), NEW_COUNT_MAX + ANSWER_COUNT);
  assertLessOrEqual(readAfterOthers(false), 2 * (NEW_COUNT_MAX + ANSWER_COUNT));
  assertGreaterOrEqual(readAfterOthers(), 2600, "given up like any other");
});

Deno.test("eight agents at once with 16K tokens each in one budget read nothing twice", () => {
  const length = 16_384;
  const turnCount = 6;
  const scheduler = makeScheduler(8 * 600);
  const agents = [1, 2, 3, 4, 5, 6, 7, 8].map((agent) => new Agent(agent, length));
  const { stepCount } = converse(scheduler, agents, { turnCount, isInTurn: false });
  for (const { readCounts, waits } of agents) {
    assertEquals([readCounts.length, waits.length, readCounts[0]], [turnCount, turnCount, length]);
    // Behind four slots answers may have to be read by the turn that repeats them, never more.
    const most = NEW_COUNT_MAX + ANSWER_COUNT;
    assert(readCounts.slice(1).every((count) => count <= most), String(readCounts));
  }
  const later = agents.flatMap(({ waits }) => waits.slice(1)).sort((a, b) => a - b);
  const p95 = later[Math.floor(0.95 * later.length)];
  console.log(
    `8 agents, ${turnCount} turns: ${stepCount} steps; first token of later turns after ` +
      `${later[Math.floor(later.length / 2)]} steps (median), ${p95} (p95), ${later.at(-1)} (most)`,
  );
  // Reading one prompt takes 256 steps alone; with four in slots nobody waits for all others.
  assertLessOrEqual(p95, 5 * 256);
});
