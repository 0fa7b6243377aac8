/**
 * What agents wait for on a real engine: sessions of one after the other, from turn to turn and
 * after a restart, and eight of them at once in one budget of device memory.
 *
 *     deno run -A bench/serving/agents_bench.ts sessions --seeded
 *     deno run -A bench/serving/agents_bench.ts sessions --agents 2 --turns 4 --instructions 1200
 *     deno run -A bench/serving/agents_bench.ts many [--tokens 16384] [--memory 12]
 *
 * `sessions` runs the default model, or with `--seeded` one of a small layer that has its
 * vocabulary, with a template that has tools and thoughts; `many` a seeded model of one layer.
 * `--turns N` is 20 and 6 if left out.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { SLICE_TOKEN_COUNT } from "../../src/core/shapes.ts";
import { type Agent, AGENTS, type AgentTurn } from "../../tests/support/agent_sessions.ts";
import {
  type AgentServer,
  agentTemplatePath,
  startAgentServer,
  writeAgentModel,
} from "../../tests/support/agent_server.ts";
import { answerText, takeTurn } from "../../tests/support/agent_turns.ts";
import { defaultModelPath } from "../../tests/support/default_model.ts";
import { percentile, runAgents } from "../../tests/support/many_agents.ts";
import { withTinyEngine } from "../../tests/support/tiny_engine.ts";

const options = parseArgs(Deno.args, {
  boolean: ["seeded"],
  string: ["agents", "instructions", "turns", "tokens", "memory"],
});
const RESULT_LINE_COUNT = 3;
const THOUGHTS = "I look at the file first.";

/** What a turn waited for, and what was run for it. */
interface Turn {
  promptTokenCount: number;
  cachedTokenCount: number;
  /** Tokens of its prompt that were run, and steps until all of it was answered. */
  readTokenCount: number;
  stepCount: number;
  firstTokenMs: number;
}

async function turnOf(
  server: AgentServer,
  session: { agent: Agent; turns: AgentTurn[] },
): Promise<Turn> {
  const before = await server.engine.stats();
  server.answer = answerText(session.turns.length, THOUGHTS);
  await takeTurn(server.post, session, {
    resultLineCount: RESULT_LINE_COUNT,
    ...(options.instructions ? { instructionCount: Number(options.instructions) } : {}),
  });
  const after = await server.engine.stats();
  await server.idle();
  const { promptTokenCount, cachedTokenCount, firstTokenMs } = server.outcomes.at(-1)!;
  return {
    promptTokenCount,
    cachedTokenCount,
    readTokenCount: after.promptTokenCount - before.promptTokenCount,
    stepCount: after.stepCount - before.stepCount,
    firstTokenMs: Math.round(firstTokenMs),
  };
}

/** A session in numbers: the second turn may take 5% of the first, and its new tokens. */
function summaryOf(agent: Agent, turns: readonly Turn[], restartAt: number) {
  const [first, second, ...others] = turns;
  const later = [second, ...others];
  const tokenMs = first.firstTokenMs / first.readTokenCount;
  const newTokenCount = second.promptTokenCount - first.promptTokenCount;
  const cachedShares = later.map((turn) => turn.cachedTokenCount / turn.promptTokenCount);
  return {
    agent: agent.name,
    first,
    second,
    secondShareOfFirst: second.firstTokenMs / first.firstTokenMs,
    secondMayTakeMs: Math.round(0.05 * first.firstTokenMs + newTokenCount * tokenMs),
    cachedShareMin: Math.min(...cachedShares),
    firstTokenMsOfLater: {
      median: percentile(later.map(({ firstTokenMs }) => firstTokenMs), 0.5),
      most: Math.max(...later.map(({ firstTokenMs }) => firstTokenMs)),
    },
    afterRestart: turns[restartAt],
    turns,
  };
}

async function runSessions(): Promise<object> {
  const turnCount = Number(options.turns ?? 20);
  const restartAt = Math.floor(0.6 * turnCount);
  const folder = await Deno.makeTempDir({ prefix: "packkv-agents-" });
  const seededPath = `${folder}/seeded.gguf`;
  const contextLength = options.seeded ? 32_768 : 8192;
  if (options.seeded) await writeAgentModel(seededPath, contextLength);
  const templateSource = await Deno.readTextFile(agentTemplatePath()!);
  const start = () =>
    startAgentServer(options.seeded ? seededPath : defaultModelPath(), {
      templateSource,
      diskFolder: `${folder}/blocks`,
      contextLength,
      sequenceCountMax: 1,
      ...(options.seeded ? { profile: { name: "paper" } } : {}),
    });
  const sessions = AGENTS.slice(0, Number(options.agents ?? AGENTS.length)).map((agent) => {
    return { agent, turns: [] as AgentTurn[], timed: [] as Turn[] };
  });
  let server = await start();
  try {
    for (const part of [[0, restartAt], [restartAt, turnCount]]) {
      if (part[0] > 0) {
        await server.close();
        server = await start();
      }
      for (const session of sessions) {
        for (let turn = part[0]; turn < part[1]; turn++) {
          session.timed.push(await turnOf(server, session));
        }
        console.error(session.agent.name, part.join(" to "));
      }
    }
    const { modelName, adapter, profile } = server.engine.info;
    const summaries = sessions.map(({ agent, timed }) => summaryOf(agent, timed, restartAt));
    return { modelName, adapter, profile, turnCount, restartAt, sessions: summaries };
  } finally {
    await server.close();
    await Deno.remove(folder, { recursive: true });
  }
}

async function runMany(): Promise<object> {
  const promptTokenCount = Number(options.tokens ?? 16_384);
  const turnCount = Number(options.turns ?? 6);
  const plan = { agentCount: 8, answerTokenCount: 40, resultTokenCount: 60 };
  let result = {};
  await withTinyEngine({
    model: { layerCount: 1, contextLength: 2 * promptTokenCount },
    stepTokenCountMax: SLICE_TOKEN_COUNT,
    cacheSizeBytes: Number(options.memory ?? 12) * 2 ** 20,
  }, async (engine) => {
    const requests = await runAgents(engine, { ...plan, promptTokenCount, turnCount });
    const stats = await engine.stats();
    const { tokenBytes, cacheCapacityBytes, adapter, profile } = engine.info;
    const last = requests.filter(({ turn }) => turn === turnCount - 1);
    const allTokenCount = last.reduce((sum, { promptIds }) => sum + promptIds.length, 0);
    const waits = (isFirst: boolean) => {
      const times = requests.filter(({ turn }) => (turn === 0) === isFirst)
        .map(({ firstTokenMs }) => Math.round(firstTokenMs));
      return { median: percentile(times, 0.5), p95: percentile(times, 0.95) };
    };
    result = {
      ...{ adapter, profile, ...plan, promptTokenCount, turnCount },
      cacheCapacityBytes,
      f16Bytes: allTokenCount * tokenBytes,
      allTokenCount,
      readTokenCount: stats.promptTokenCount,
      rereadTokenCount: stats.rereadTokenCount,
      stepCount: stats.stepCount,
      cachedShareMinOfLater: Math.min(
        ...requests.filter(({ turn }) => turn > 0)
          .map(({ promptIds, cachedTokenCount }) => cachedTokenCount / promptIds.length),
      ),
      firstTokenMs: { firstTurns: waits(true), laterTurns: waits(false) },
      overtakenMost: Math.max(...requests.map(({ overtakenCount }) => overtakenCount)),
    };
  });
  return result;
}

const run = options._[0] === "many" ? runMany : runSessions;
console.log(JSON.stringify(await run()));
Deno.exit();
