/** What an engine reports of the blocks in its caches. */

import { assert, assertEquals } from "@std/assert";
import type { BlockEvent } from "../../src/engine/types.ts";
import { collectIds, tinyPrompt, withTinyEngine } from "../support/tiny_engine.ts";
import { eventually } from "../support/waiting.ts";

const PROMPT = tinyPrompt(400, 1);
/** Whole blocks of it that are sealed behind its window. */
const SEALED_COUNT = 4;

/** Waits until that many blocks have come to the disk, the last of places. */
function written(events: readonly BlockEvent[], count: number): Promise<void> {
  const isOnDisk = ({ type, medium }: BlockEvent) => type === "stored" && medium === "disk";
  return eventually(() => events.filter(isOnDisk).length >= count);
}

Deno.test("an engine reports the blocks of a prompt on the device, the host and the disk", async () => {
  const diskFolder = await Deno.makeTempDir({ prefix: "packkv-events-" });
  const events: BlockEvent[] = [];
  const onBlockEvents = (some: readonly BlockEvent[]) => events.push(...some);
  const options = { model: { contextLength: 2048 }, diskFolder, onBlockEvents };
  try {
    await withTinyEngine(options, async (engine) => {
      await collectIds(engine, { promptIds: PROMPT, maxTokens: 2, ignoreEos: true });
      await written(events, SEALED_COUNT);
      for (const medium of ["gpu", "cpu", "disk"] as const) {
        const stored = events.flatMap((event) =>
          event.type === "stored" && event.medium === medium ? [event] : []
        );
        // Written beside each other, so they may come in another order.
        stored.sort((a, b) => PROMPT.indexOf(a.tokenIds[0]) - PROMPT.indexOf(b.tokenIds[0]));
        assertEquals(stored.length, SEALED_COUNT, medium);
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
      // Another prompt's blocks are reported, and nothing before them.
      const other = tinyPrompt(400, 2);
      await collectIds(engine, { promptIds: other, maxTokens: 2, ignoreEos: true });
      await written(events, 2 * SEALED_COUNT);
      const later = events.slice(count).flatMap((event) => event.type === "stored" ? [event] : []);
      assertEquals(later.length, 3 * SEALED_COUNT, "blocks with a salt are for those who have it");
      for (const { tokenIds } of later) assert(other.join().includes(tokenIds.join()));
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
    await eventually(() => events.some(({ type }) => type === "removed"));
  });
  const there = new Set<string>();
  for (const { type, name } of events) {
    assertEquals(there.has(name), type === "removed", name);
    if (type === "stored") there.add(name);
    else there.delete(name);
  }
  assert(events.some(({ type }) => type === "removed"), `${events.length} events`);
});
