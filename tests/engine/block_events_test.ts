/** What an engine reports of the blocks in its caches. */

import { assert, assertEquals } from "@std/assert";
import type { BlockEvent } from "../../src/engine/types.ts";
import { collectIds, tinyPrompt, withTinyEngine } from "../support/tiny_engine.ts";

const PROMPT = tinyPrompt(400, 1);
/** Whole blocks of it that are sealed behind its window. */
const SEALED_COUNT = 4;

/** Waits until no event has come for 150 ms. */
async function settled(events: readonly BlockEvent[]): Promise<void> {
  for (let count = -1; count !== events.length;) {
    count = events.length;
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
}

Deno.test("an engine reports the blocks of a prompt on the device, the host and the disk", async () => {
  const diskFolder = await Deno.makeTempDir({ prefix: "packkv-events-" });
  const events: BlockEvent[] = [];
  const onBlockEvents = (some: readonly BlockEvent[]) => events.push(...some);
  const options = { model: { contextLength: 2048 }, diskFolder, onBlockEvents };
  try {
    await withTinyEngine(options, async (engine) => {
      await collectIds(engine, { promptIds: PROMPT, maxTokens: 2, ignoreEos: true });
      await settled(events);
      for (const medium of ["gpu", "cpu", "disk"] as const) {
        const stored = events.flatMap((event) =>
          event.type === "stored" && event.medium === medium ? [event] : []
        );
        // Written beside each other, so they may come in another order.
        stored.sort((a, b) => PROMPT.indexOf(a.tokenIds[0]) - PROMPT.indexOf(b.tokenIds[0]));
        assert(stored.length >= SEALED_COUNT, `${stored.length} on ${medium}`);
        const byName = new Map(stored.map((event) => [event.name, event]));
        const last = stored.find(({ name }) => !stored.some((each) => each.parentName === name))!;
        let tokenIds: number[] = [];
        for (let at: typeof last | undefined = last; at !== undefined;) {
          tokenIds = [...at.tokenIds, ...tokenIds];
          at = byName.get(at.parentName ?? "");
        }
        assertEquals(tokenIds, PROMPT.slice(0, 64 * stored.length), medium);
      }
      const count = events.length;
      await collectIds(engine, { promptIds: PROMPT, maxTokens: 2, cacheSalt: "of one user" });
      await settled(events);
      assertEquals(events.length, count, "blocks with a salt are for those who have it");
    });
  } finally {
    await Deno.remove(diskFolder, { recursive: true });
  }
});

Deno.test("an engine reports which blocks others pushed out, and each as often as it came", async () => {
  const events: BlockEvent[] = [];
  const onBlockEvents = (some: readonly BlockEvent[]) => events.push(...some);
  const options = {
    model: { contextLength: 512 },
    sequenceCountMax: 1,
    cacheSizeBytes: 2 ** 17,
    onBlockEvents,
  };
  await withTinyEngine(options, async (engine) => {
    for (let seed = 1; seed <= 6; seed++) {
      await collectIds(engine, { promptIds: tinyPrompt(400, seed), maxTokens: 2, ignoreEos: true });
    }
    await settled(events);
  });
  const there = new Set<string>();
  for (const { type, name } of events) {
    assertEquals(there.has(name), type === "removed", name);
    if (type === "stored") there.add(name);
    else there.delete(name);
  }
  assert(events.some(({ type }) => type === "removed"), `${events.length} events`);
});
