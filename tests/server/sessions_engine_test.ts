/**
 * Sessions of agents against the whole server on a real engine: what is counted was run through a
 * model. `bench/serving/agents_bench.ts` does the same at full length.
 */

import { assertEquals, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import { AGENTS, type AgentTurn } from "../support/agent_sessions.ts";
import {
  type AgentServer,
  agentTemplatePath,
  startAgentServer,
  writeAgentModel,
} from "../support/agent_server.ts";
import { answerText, takeTurn } from "../support/agent_turns.ts";

const CACHED_SHARE_MIN = 0.95;
/** The last one follows a restart. */
const TURN_COUNT = 3;
const RESTART_AT = 2;
const SIZE = { instructionCount: 1500, resultLineCount: 3 };

const templatePath = agentTemplatePath();

/** Tokens of prompts that the model has read so far. */
const readCount = async ({ engine }: AgentServer) => (await engine.stats()).promptTokenCount;

Deno.test({
  name: "later turns of agents run at most 5% of their prompts on a real engine, restarted too",
  ignore: templatePath === null,
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "packkv-agents-" });
    const modelPath = `${folder}/agents.gguf`;
    await writeAgentModel(modelPath, 16_384);
    const start = async () =>
      await startAgentServer(modelPath, {
        templateSource: await Deno.readTextFile(templatePath!),
        profile: { name: "paper" },
        sequenceCountMax: AGENTS.length,
        contextLength: 8192,
        stepTokenCountMax: 64,
        diskFolder: `${folder}/blocks`,
      });
    let server = await start();
    try {
      const sessions = AGENTS.map((agent) => ({ agent, turns: [] as AgentTurn[] }));
      let firstReadCount = 0;
      for (let turn = 0; turn < TURN_COUNT; turn++) {
        if (turn === RESTART_AT) {
          await server.close();
          server = await start();
        }
        const { outcomes, post } = server;
        const [doneCount, before] = [outcomes.length, await readCount(server)];
        server.answer = answerText(turn, "Look first.");
        await Promise.all(sessions.map((session) => takeTurn(post, session, SIZE)));
        const read = await readCount(server) - before;
        const asked = outcomes.slice(doneCount);
        // What answers say was cached was not run, and nothing else was left out.
        const uncached = asked.map((each) => each.promptTokenCount - each.cachedTokenCount);
        assertEquals(read, uncached.reduce((sum, count) => sum + count));
        if (turn === 0) {
          firstReadCount = read;
          assertEquals(asked.map(({ cachedTokenCount }) => cachedTokenCount), AGENTS.map(() => 0));
        } else {
          for (const { promptTokenCount, cachedTokenCount } of asked) {
            assertGreaterOrEqual(cachedTokenCount / promptTokenCount, CACHED_SHARE_MIN);
          }
          assertLessOrEqual(read, (1 - CACHED_SHARE_MIN) * firstReadCount);
        }
        await server.idle();
      }
    } finally {
      await server.close();
      await Deno.remove(folder, { recursive: true });
    }
  },
});
