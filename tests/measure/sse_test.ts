import { assertEquals, assertRejects } from "@std/assert";
import { readSse } from "../../server/measure/load/sse.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

async function dataOf(...pieces: Uint8Array[]): Promise<string[]> {
  const events = await Array.fromAsync(readSse(ReadableStream.from(pieces)));
  return events.map(({ data }) => data);
}

Deno.test("readSse() reads the same events wherever the bytes are cut", async () => {
  const text = ': ping\n\ndata: {"a":"é€"}\n\nevent: x\ndata:one\ndata: two\n\ndata: [DONE]\n\n';
  for (const whole of [bytes(text), bytes(text.replaceAll("\n", "\r\n"))]) {
    for (let cut = 0; cut <= whole.length; cut++) {
      const found = await dataOf(whole.subarray(0, cut), whole.subarray(cut));
      assertEquals(found, ['{"a":"é€"}', "one\ntwo", "[DONE]"]);
    }
  }
});

Deno.test("readSse() leaves out an event that the body ends in the middle of", async () => {
  assertEquals(await dataOf(bytes("data: a\n\ndata: b\n")), ["a"]);
});

Deno.test("readSse() refuses an event that does not end", async () => {
  const mebi = bytes("x".repeat(2 ** 20));
  await assertRejects(() => dataOf(bytes("data: "), mebi, mebi, mebi, mebi, mebi), RangeError);
});

Deno.test("readSse() tells when the bytes of each event came", async () => {
  async function* late() {
    yield bytes("data: a\n\n");
    await new Promise((resolve) => setTimeout(resolve, 40));
    yield bytes("data: b\n\ndata: c\n\n");
  }
  const times = (await Array.fromAsync(readSse(ReadableStream.from(late())))).map((e) => e.atMs);
  assertEquals([times[1] - times[0] >= 38, times[2] - times[1]], [true, 0]);
});
