import { assertEquals, assertRejects } from "@std/assert";
import { EventQueue } from "../../src/engine/event_queue.ts";

Deno.test("EventQueue yields what was pushed before and during iteration, in order", async () => {
  const queue = new EventQueue<number>();
  queue.push(1);
  const taken: number[] = [];
  const done = (async () => {
    for await (const item of queue) {
      taken.push(item);
      if (item === 3) return;
    }
  })();
  await Promise.resolve();
  queue.push(2);
  queue.push(3);
  await done;
  assertEquals(taken, [1, 2, 3]);
});

Deno.test("EventQueue ends a waiting consumer with the first error given", async () => {
  const queue = new EventQueue<number>();
  const iterator = queue[Symbol.asyncIterator]();
  const waiting = iterator.next();
  queue.fail(new RangeError("first"));
  queue.fail(new RangeError("second"));
  await assertRejects(() => waiting, RangeError, "first");
});
