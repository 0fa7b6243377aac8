import { assertEquals, assertMatch } from "@std/assert";
import { formatBytes, formatDuration, formatRate, formatRatio } from "../../server/page/format.mjs";
import { problemOf } from "../../server/page/problems.mjs";
import { rateOf, readMetrics } from "../../server/page/prometheus.mjs";
import { bytesOfTurn } from "../../server/page/slots.mjs";
import { readEvents } from "../../server/page/sse.mjs";
import { readingOf, TurnClock } from "../../server/page/turn.mjs";

const BYTES: [number, string][] = [
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.00 kB"],
  [9999, "10.0 kB"],
  [98_400_000, "98.4 MB"],
  [999_600, "1.00 MB"],
  [2 ** 34, "17.2 GB"],
];

for (const [bytes, text] of BYTES) {
  Deno.test(`formatBytes() writes ${bytes} as ${text}`, () => {
    assertEquals(formatBytes(bytes), text);
  });
}

Deno.test("format writes rates, durations and ratios with the digits that matter", () => {
  assertEquals([formatRate(27.44), formatRate(1234.5)], ["27.4 tok/s", "1,235 tok/s"]);
  assertEquals([0.2, 59, 61, 7200].map(formatDuration), ["1 s", "59 s", "1 min", "2 h"]);
  assertEquals([formatRatio(600, 100), formatRatio(0, 0), formatRatio(5, undefined)], [
    "6.00",
    null,
    null,
  ]);
});

/** A stream of `text` in pieces of `size` bytes. */
function streamOf(text: string, size: number): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  return new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += size) {
        controller.enqueue(bytes.slice(at, at + size));
      }
      controller.close();
    },
  });
}

for (const size of [1, 3, 1000]) {
  Deno.test(`readEvents() reads events that come in pieces of ${size} bytes`, async () => {
    const text =
      ': ping\n\ndata: {"a":"ü"}\n\ndata: x\ndata: y\r\n\r\nevent: z\n\ndata: [DONE]\n\n';
    const events = await Array.fromAsync(readEvents(streamOf(text, size)));
    assertEquals(events, ['{"a":"ü"}', "x\ny", "[DONE]"]);
  });
}

Deno.test("readMetrics() sums samples of one name, rateOf() compares two readings", () => {
  const text = '# HELP a b\na{m="x y"} 1\na{m="z"} 2.5\nvllm:b_total 10\nnot a sample line\n';
  const metrics = readMetrics(text);
  assertEquals([...metrics], [["a", 3.5], ["vllm:b_total", 10]]);
  const later = { atMs: 3000, metrics: new Map([["vllm:b_total", 40]]) };
  assertEquals(rateOf("vllm:b_total", { atMs: 1000, metrics }, later), 15);
  assertEquals(rateOf("vllm:b_total", null, later), null);
  // The server was started again in between: its counters began anew.
  assertEquals(rateOf("vllm:b_total", later, { atMs: 4000, metrics }), null);
});

Deno.test("TurnClock gathers reading, cached tokens, counts and both speeds", () => {
  const clock = new TurnClock();
  clock.take({ type: "progress", processed: 600, total: 1000, cached: 500, ms: 2000 }, 0);
  assertEquals(clock.turn.prefillPerSecond, 50);
  assertEquals(readingOf(clock.turn), {
    readCount: 600,
    promptCount: 1000,
    share: 0.6,
    leftSeconds: 8,
  });
  const usage = (completion: number) => ({
    prompt_tokens: 1000,
    completion_tokens: completion,
    total_tokens: 1000 + completion,
    prompt_tokens_details: { cached_tokens: 500 },
  });
  clock.take({ type: "usage", usage: usage(0) }, 0);
  assertEquals(clock.turn.totalCount, 600); // not all of it is read yet
  clock.take({ type: "progress", processed: 1000, total: 1000, cached: 500, ms: 10_000 }, 0);
  assertEquals(readingOf(clock.turn), null);
  clock.take({ type: "text", text: "a" }, 1000);
  clock.take({ type: "usage", usage: usage(11) }, 2000);
  assertEquals([clock.turn.totalCount, clock.turn.decodePerSecond], [1011, 10]);
  const timings = { prompt_per_second: 55, predicted_per_second: 12.5 };
  clock.take({ type: "finish", reason: "stop", timings }, 2100);
  assertEquals([clock.turn.prefillPerSecond, clock.turn.decodePerSecond], [55, 12.5]);
  assertEquals(clock.turn.cachedCount, 500);
});

const PROBLEMS: [number, { code?: string; message?: string }, RegExp, RegExp, string | null][] = [
  [401, { code: "invalid_api_key" }, /wants a key/, /settings/, "settings"],
  [429, { code: "queue_full" }, /busy/, /in 3 s/, "retry"],
  [413, {}, /more text than/, /shorter/, null],
  [503, { code: "loading" }, /still loading/, /moment/, "retry"],
  [503, { code: "device_lost", message: "gone" }, /could not answer/, /gone/, "retry"],
  [400, { message: "Cannot accept x" }, /refused the request/, /Cannot accept x/, null],
  [0, { message: "why" }, /broke off/, /why/, "retry"],
  [
    400,
    { code: "context_length_exceeded", message: "model's maximum context length is 8192 tokens" },
    /longer than the model/,
    /8,192 tokens/,
    "new",
  ],
];

for (const [status, error, title, advice, action] of PROBLEMS) {
  Deno.test(`problemOf() puts ${status} ${error.code ?? ""} into words, with what helps`, () => {
    const problem = problemOf(status, error, "3");
    assertMatch(problem.message, title);
    assertMatch(problem.advice, advice);
    assertEquals(problem.action, action);
  });
}

Deno.test("bytesOfTurn() takes the one slot that reads a prompt of this length, else none", () => {
  const slot = (promptCount: number, raw: number, isProcessing = true) => ({
    is_processing: isProcessing,
    n_prompt_tokens: promptCount,
    kv_bytes: { raw, packed: raw / 5 },
  });
  const turn = { promptCount: 300 };
  assertEquals(bytesOfTurn([slot(7, 100), slot(300, 500)], turn), {
    rawBytes: 500,
    packedBytes: 100,
    kept: null,
  });
  const kept = { method: "chunkkv", sealed_tokens: 128, layers: [{ tokens: 20 }, { tokens: 36 }] };
  const some = bytesOfTurn([{ ...slot(300, 500), kept }], turn);
  assertEquals(some?.kept, "20 to 36 of 128 tokens");
  const thin = { ...kept, layers: [{ tokens: 128, key_channels: 117 }] };
  const thinned = bytesOfTurn([{ ...slot(300, 500), kept: thin }], turn);
  assertEquals(thinned?.kept, "128 of 128 tokens, 117 channels of K");
  const none: [string, unknown][] = [
    ["two of this length", [slot(300, 500), slot(300, 600)]],
    ["one that has ended", [slot(300, 500, false)]],
    ["one that has nothing sealed yet", [slot(300, 0)]],
    ["a server that does not tell", null],
  ];
  for (const [what, slots] of none) assertEquals(bytesOfTurn(slots, turn), null, what);
});
