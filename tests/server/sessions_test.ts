/**
 * Twenty turns of agents against the whole server with a real vocabulary and template, on the real
 * scheduler without a device: from the second turn on next to nothing is read twice.
 */

import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { Conversations } from "../../server/replay/conversations.ts";
import { TurnFile, turnFilePath } from "../../server/replay/turn_file.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { createChatTemplate } from "../../src/tokenizer/chat_template.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import type { ChatTemplate, Tokenizer } from "../../src/tokenizer/types.ts";
import { AGENTS, type AgentTurn } from "../support/agent_sessions.ts";
import { answerText, takeTurn } from "../support/agent_turns.ts";
import { ScheduledEngine } from "../support/scheduled_engine.ts";
import { sharedFile } from "../support/shared.ts";
import { harness } from "./harness.ts";

const TURN_COUNT = 20;
const CONTEXT_LENGTH = 65_536;
const CACHED_SHARE_MIN = 0.95;

const vocabularyPath = sharedFile("golden/tokenizers/qwen2.gguf");
const templatePath = sharedFile("golden/templates/Qwen-Qwen3-0.6B.jinja");

let loading: Promise<{ tokenizer: Tokenizer; chatTemplate: ChatTemplate }> | null = null;

/** Qwen's vocabulary and the template of Qwen3, which drops thoughts of earlier turns. */
async function load() {
  const { metadata, tensors } = await readGguf(vocabularyPath!);
  const tokenizer = createTokenizer(metadata, tensors);
  const source = await Deno.readTextFile(templatePath!);
  return { tokenizer, chatTemplate: createChatTemplate(metadata, tokenizer, source) };
}

/** Cut within words, as a model may and a tokenizer does not. */
function sampledIds(tokenizer: Tokenizer, text: string): number[] {
  return text.split(/(?<=[aeiou])(?=[a-z])/).flatMap((piece) =>
    tokenizer.tokenize(piece, { parseSpecial: true })
  );
}

async function serve(
  options: { blockCount: number; sequenceCountMax?: number; conversations?: Conversations },
) {
  const model = await (loading ??= load());
  const { tokenizer } = model;
  const { conversations = new Conversations(), ...limits } = options;
  const engine = new ScheduledEngine(
    (_, index) => sampledIds(tokenizer, answerText(index)),
    {
      ...limits,
      eosIds: tokenizer.eosIds,
      info: { contextLength: CONTEXT_LENGTH, vocabSize: tokenizer.vocabSize },
    },
  );
  const restart = (kept: Conversations) =>
    harness(() => [], { engine, model: { ...model, conversations: kept } }).post;
  return { engine, restart, post: restart(conversations) };
}

const canRun = vocabularyPath !== null && templatePath !== null;

for (const agent of AGENTS) {
  Deno.test({
    name: `${agent.name} reads at most 5% of its prompts after the first of ${TURN_COUNT} turns`,
    ignore: !canRun,
    fn: async () => {
      const folder = await Deno.makeTempDir();
      try {
        const file = () => new TurnFile(turnFilePath(folder, "m"));
        const server = await serve({
          blockCount: 4000,
          conversations: new Conversations({ store: file() }),
        });
        let { post } = server;
        const { engine } = server;
        const turns: AgentTurn[] = [];
        for (let turn = 0; turn < TURN_COUNT; turn++) {
          // Blocks come back from disk as they do in other tests; what was sampled from its file.
          if (turn === 12) post = server.restart(new Conversations({ store: file() }));
          await takeTurn(post, { agent, turns });
          await engine.idle();
        }
        const [first, ...later] = engine.outcomes;
        assertEquals([first.cachedTokenCount, later.length], [0, TURN_COUNT - 1]);
        assertGreaterOrEqual(first.promptTokenCount, 8000);
        const { tokenizer } = await loading!;
        for (const [index, { promptTokenCount, cachedTokenCount }] of later.entries()) {
          const share = cachedTokenCount / promptTokenCount;
          assertGreaterOrEqual(share, CACHED_SHARE_MIN, `turn ${index + 2}: ${share}`);
          // What is new behind the answer, and less than a block before it.
          const answerCount = sampledIds(tokenizer, answerText(index)).length;
          const known = engine.outcomes[index].promptTokenCount + answerCount;
          assert(known - cachedTokenCount <= 64, `turn ${index + 2}: ${known - cachedTokenCount}`);
        }
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

Deno.test({
  name: "without replaying, placing or rereading each of these sessions reads what it has read",
  ignore: !canRun,
  fn: async () => {
    const off = { rereads: false, replays: false, placesLines: false };
    for (const agent of AGENTS) {
      const { engine, post } = await serve({
        blockCount: 4000,
        conversations: new Conversations(off),
      });
      const turns: AgentTurn[] = [];
      for (let turn = 0; turn < 2; turn++) await takeTurn(post, { agent, turns });
      const misses = engine.outcomes.slice(1).filter(({ promptTokenCount, cachedTokenCount }) =>
        cachedTokenCount < promptTokenCount * CACHED_SHARE_MIN
      );
      const isBroken = ["Claude Code", "pi"].includes(agent.name);
      assertEquals(misses.length, isBroken ? 1 : 0, agent.name);
    }
  },
});
