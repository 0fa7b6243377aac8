/**
 * What coding agents send, as recorded by `deno task agents --write`, over a real socket: it is
 * accepted, answered as documented, and from the second request of a conversation on next to
 * nothing of it is read.
 */

import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { AnswerCheck } from "../../support/answer_check.ts";
import { sharedFile } from "../../support/shared.ts";
import { type AgentServer, startAgentServer, usageOf } from "./agent_server.ts";
import { CODING_AGENTS } from "./coding_agents.ts";
import { CALL_ID, type Recording, replay, type ReplayedRequest } from "./recording.ts";

const CACHED_SHARE_MIN = 0.95;

async function recordingOf(file: string): Promise<Recording> {
  return JSON.parse(await Deno.readTextFile(new URL(`./recorded/${file}.json`, import.meta.url)));
}

/** A conversation sent again, with the ids of calls that this server gave. */
class Client {
  readonly #server: AgentServer;
  readonly #check: AnswerCheck;
  #callIds: string[] = [];

  constructor(server: AgentServer) {
    this.#server = server;
    this.#check = new AnswerCheck((path) => fetch(server.url + path));
  }

  async send({ path, headers, body, isContinued }: ReplayedRequest): Promise<string> {
    if (!isContinued) this.#callIds = [];
    const text = JSON.stringify(body).replaceAll(CALL_ID, (id) => {
      return this.#callIds[Number(id.slice("call_".length))] ?? id;
    });
    const init = { method: "POST", headers, body: text };
    const response = await fetch(this.#server.url + path, init);
    const [plainPath] = path.split("?");
    const answer = await (await this.#check.watch("POST", plainPath, response)).text();
    assertEquals(response.status, 200, `${path}: ${answer.slice(0, 500)}`);
    const given = [...new Set(answer.match(CALL_ID) ?? [])];
    this.#callIds.push(...given.filter((id) => !this.#callIds.includes(id)));
    await this.#server.engine.idle();
    return answer;
  }
}

for (const { name, file, leaves } of CODING_AGENTS) {
  Deno.test({
    name: `what ${name} sends is answered, and at least 95% of a later request is cached`,
    ignore: sharedFile("golden/tokenizers/qwen2.gguf") === null,
    fn: async () => {
      const server = await startAgentServer();
      try {
        const recording = await recordingOf(file);
        const client = new Client(server);
        let continuedCount = 0;
        for (const request of replay(recording)) {
          const answer = await client.send(request);
          if (!request.isContinued) continue;
          continuedCount++;
          const { promptTokenCount, cachedTokenCount } = usageOf(answer)!;
          assertGreaterOrEqual(cachedTokenCount / promptTokenCount, CACHED_SHARE_MIN);
        }
        assert(continuedCount > 1 || "file" in leaves, `${continuedCount} requests continue`);
      } finally {
        await server.stop();
      }
    },
  });
}
