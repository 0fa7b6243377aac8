import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { answerSse } from "../../server/openai/sse.ts";
import { tokensOf } from "../support/fake_engine.ts";
import { harness } from "./harness.ts";

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("a quiet stream gets a comment each interval, also at its start", async () => {
  const script = () => [{ waitMs: 90 }, ...tokensOf("a"), { waitMs: 90 }, ...tokensOf("b")];
  const { post } = harness(script, { app: { limits: { pingIntervalMs: 25 } } });
  const body = { messages: [{ role: "user", content: "hi" }], stream: true };
  const text = await (await post("/v1/chat/completions", body)).text();
  assertMatch(text, /^(: ping\n\n)+data: .*"role".*\n\ndata: .*"a".*\n\n(: ping\n\n)+data: .*"b"/);
  assertMatch(text, /data: \[DONE\]\n\n$/);
});

Deno.test("answerSse() sends no comment if frames come in time", async () => {
  async function* frames() {
    for (const frame of ["x", "y"]) {
      await wait(5);
      yield frame;
    }
  }
  const response = await answerSse(frames(), { pingIntervalMs: 1000, onCancel() {} });
  assertEquals(await response.text(), "xy");
});

Deno.test("answerSse() rejects if the first frame fails", async () => {
  // deno-lint-ignore require-yield
  async function* frames(): AsyncGenerator<string> {
    await wait(1);
    throw new RangeError("early");
  }
  const options = { pingIntervalMs: 1000, onCancel() {} };
  await assertRejects(() => answerSse(frames(), options), RangeError, "early");
});

Deno.test("answerSse() makes a frame only when the one before it is taken", async () => {
  let madeCount = 0;
  async function* frames() {
    for (; madeCount < 100; madeCount++) yield await Promise.resolve("x");
  }
  const response = await answerSse(frames(), { pingIntervalMs: 1000, onCancel() {} });
  const reader = response.body!.getReader();
  await reader.read();
  await reader.read();
  await wait(5);
  assertEquals(madeCount <= 2, true);
  await reader.cancel();
});

Deno.test("answerSse() closes the frames and calls onCancel if the reader cancels", async () => {
  const events: string[] = [];
  async function* frames() {
    try {
      while (true) yield await Promise.resolve("x");
    } finally {
      events.push("closed");
    }
  }
  const options = { pingIntervalMs: 1000, onCancel: () => events.push("cancelled") };
  const reader = (await answerSse(frames(), options)).body!.getReader();
  await reader.read();
  await reader.cancel();
  await wait(1);
  assertEquals(events, ["cancelled", "closed"]);
});
