import { assertEquals, assertRejects } from "@std/assert";
import { mergeConcurrent } from "../../server/openai/merge.ts";

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of source) values.push(value);
  return values;
}

Deno.test("mergeConcurrent() yields values as they come, each source's in order", async () => {
  const gates = ["a0", "b0", "b1", "a1"].map((name) => ({
    name,
    ...Promise.withResolvers<void>(),
  }));
  async function* source(name: string) {
    for (const gate of gates.filter((gate) => gate.name.startsWith(name))) {
      await gate.promise;
      yield gate.name;
    }
  }
  const values: { sourceIndex: number; value: string }[] = [];
  const merged = mergeConcurrent([() => source("a"), () => source("b")], 2)[Symbol.asyncIterator]();
  for (const gate of gates) {
    const next = merged.next();
    await wait(0); // until nothing but the gate is waited for
    gate.resolve();
    values.push((await next).value);
  }
  assertEquals(values.map(({ value }) => value), ["a0", "b0", "b1", "a1"]);
  assertEquals(values.map(({ sourceIndex }) => sourceIndex), [0, 1, 1, 0]);
  assertEquals((await merged.next()).done, true);
});

Deno.test("mergeConcurrent() opens no more sources than asked, and all in the end", async () => {
  let openCount = 0;
  let openCountMax = 0;
  async function* one() {
    openCountMax = Math.max(openCountMax, ++openCount);
    await wait(1);
    yield 1;
    openCount--;
  }
  const values = await collect(mergeConcurrent(Array.from({ length: 9 }, () => one), 2));
  assertEquals([values.length, openCountMax], [9, 2]);
});

Deno.test("mergeConcurrent() throws a source's error and closes the others", async () => {
  let isClosed = false;
  async function* endless() {
    try {
      while (true) {
        await wait(1);
        yield 0;
      }
    } finally {
      isClosed = true;
    }
  }
  async function* failing(): AsyncGenerator<number> {
    yield 1;
    await wait(5);
    throw new RangeError("broken");
  }
  const merged = mergeConcurrent<number>([endless, failing], 2);
  await assertRejects(() => collect(merged), RangeError, "broken");
  await wait(5);
  assertEquals(isClosed, true);
});

Deno.test("mergeConcurrent() of nothing ends at once", async () => {
  assertEquals(await collect(mergeConcurrent([], 4)), []);
});
