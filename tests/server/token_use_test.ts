/** What the engine is told of how tokens are used, on every surface that generates. */

import { assertEquals } from "@std/assert";
import { tokensOf } from "../support/fake_engine.ts";
import { harness } from "./harness.ts";

const MESSAGES = [{ role: "user", content: "hello" }];

/** A request of each surface, with a stop string if it knows any. */
const SURFACES: { path: string; body: object; stop?: object }[] = [
  { path: "/v1/completions", body: { prompt: "hello" }, stop: { stop: "x" } },
  { path: "/v1/chat/completions", body: { messages: MESSAGES }, stop: { stop: ["x"] } },
  {
    path: "/v1/messages",
    body: { model: "fake", messages: MESSAGES, max_tokens: 9 },
    stop: { stop_sequences: ["x"] },
  },
  { path: "/v1/responses", body: { input: "hello" } },
];

for (const { path, body, stop } of SURFACES) {
  Deno.test(`POST ${path} collects tokens, streams them, or watches them for a stop string`, async () => {
    const { post, engine } = harness(() => tokensOf("ok"));
    for (const asked of [{}, { stream: true }, stop, { ...stop, stream: true }]) {
      if (asked === undefined) continue;
      await (await post(path, { ...body, ...asked })).text();
    }
    const uses = engine.requests.map(({ tokenUse }) => String(tokenUse));
    const stopped = stop === undefined ? ["stream"] : ["watch", "watch"];
    assertEquals(uses, ["collect", "stream", ...stopped]);
  });
}
