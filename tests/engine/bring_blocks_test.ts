import { assertEquals } from "@std/assert";
import { bringBlocks, type Bringing } from "../../src/engine/bring_blocks.ts";
import type { StoredBlock } from "../../src/tiers/block_format.ts";

const WHOLE = ["a.sealed", "b.sealed", "c.raw"];
const ALL = ["a.raw", ...WHOLE];

/** What is asked of a tier that gives only some of its blocks, and what comes to the host. */
async function bring(given: readonly string[], msPerToken: number | null = 2) {
  const asked: { keys: readonly string[]; savedMs: number | null }[] = [];
  const added: string[] = [];
  const tier = {
    look: () => Promise.resolve(new Set(ALL)),
    fetch(keys: readonly string[], savedMs: number | null) {
      asked.push({ keys, savedMs });
      const blocks = keys.filter((key) => given.includes(key)).map((key) => ({ key }));
      return Promise.resolve(blocks as StoredBlock[]);
    },
  } as unknown as Bringing["tiers"][number];
  // Without "b.sealed" the prompt can begin only behind "a".
  const choose = (found: ReadonlySet<string>) => {
    const has = (key: string) => found.has(key) || added.includes(key);
    const keys = has("b.sealed") ? WHOLE : ["a.sealed", "a.raw"];
    return keys.every(has) ? keys.filter((key) => !added.includes(key)) : [];
  };
  const add = ({ key }: StoredBlock) => void added.push(key);
  await bringBlocks({ wanted: [], choose }, { tiers: [tier], msPerToken, add });
  return { asked, added };
}

Deno.test("what a prompt begins with is fetched at once, with what it saves", async () => {
  const { asked, added } = await bring(ALL);
  assertEquals(asked, [{ keys: WHOLE, savedMs: 2 * 64 * 2 }]);
  assertEquals(added, WHOLE);
  assertEquals((await bring(ALL, null)).asked[0].savedMs, null);
});

Deno.test("of blocks that came in part a prompt begins behind those, with the raw tile there", async () => {
  const { asked, added } = await bring(["a.sealed", "a.raw"]);
  assertEquals(asked.map(({ keys }) => keys), [WHOLE, ["a.raw"]]);
  assertEquals(added, ["a.sealed", "a.raw"]);
});

Deno.test("a tier that gave nothing is not asked again", async () => {
  assertEquals((await bring([])).asked.length, 1);
});
