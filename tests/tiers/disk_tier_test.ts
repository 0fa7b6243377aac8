/** The disk tier: what it gives back, and what it refuses to. */

import { ITEM_KINDS } from "../../src/scheduler/block_key.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { packBlockFile, parseBlockFile } from "../../src/tiers/block_file.ts";
import { DiskTier } from "../../src/tiers/disk_tier.ts";
import { FORMAT, keyOf, makeBlock } from "../support/disk_blocks.ts";

/** Runs `body` with a folder of its own and with the tier's messages kept from the terminal. */
async function withFolder(body: (folder: string, messages: string[]) => Promise<void>) {
  const folder = await Deno.makeTempDir({ prefix: "packkv-disk-" });
  const messages: string[] = [];
  const { error } = console;
  console.error = (message: string) => messages.push(message);
  try {
    await body(folder, messages);
  } finally {
    console.error = error;
    await Deno.remove(folder, { recursive: true });
  }
}

const open = (folder: string, options: { root?: string; capacityBytes?: number } = {}) =>
  DiskTier.open({
    folder,
    format: { ...FORMAT, root: options.root ?? FORMAT.root },
    capacityBytes: options.capacityBytes ?? 2 ** 30,
  });

for (const kind of ITEM_KINDS) {
  Deno.test(`parseBlockFile() undoes packBlockFile(), and refuses every flipped bit (${kind})`, () => {
    const block = makeBlock(1, kind);
    const bytes = packBlockFile(FORMAT, block);
    assertEquals(parseBlockFile(FORMAT, block.key, bytes), block);
    for (let index = 0; index < bytes.length; index += 1 + (index >> 4)) {
      const damaged = bytes.slice();
      damaged[index] ^= 1 << (index % 8);
      assertThrows(() => parseBlockFile(FORMAT, block.key, damaged), RangeError, block.key);
    }
    for (const length of [0, 20, 95, bytes.length - 1]) {
      const cut = bytes.slice(0, length);
      assertThrows(() => parseBlockFile(FORMAT, block.key, cut), RangeError, block.key);
    }
    const other = { ...FORMAT, root: "f".repeat(32) };
    assertThrows(() => parseBlockFile(other, block.key, bytes), RangeError, "another cache");
    assertThrows(() => parseBlockFile(FORMAT, keyOf(2, kind), bytes), RangeError, "another block");
  });
}

Deno.test("parseBlockFile() gives back how many tokens each record has", () => {
  const block = { ...makeBlock(1), tokenCounts: [64, 1] };
  const bytes = packBlockFile(FORMAT, block);
  assertEquals(parseBlockFile(FORMAT, block.key, bytes), block);
  const whole = packBlockFile(FORMAT, makeBlock(1));
  assertEquals("tokenCounts" in parseBlockFile(FORMAT, block.key, whole), false);
});

Deno.test("a packed block is stored in its portable form, byte for byte", () => {
  const bytes = packBlockFile(FORMAT, makeBlock(3));
  const text = new TextDecoder("latin1").decode(bytes);
  assert(text.startsWith("PKVT") && text.includes("PKVB"));
});

Deno.test("a store that seals nothing has no record in a file, and none when it is read", () => {
  const { key, recordWords: [first, second], words } = makeBlock(1);
  const block = { key, recordWords: [0, first, 0, second], words };
  const bytes = packBlockFile(FORMAT, block);
  assert(new TextDecoder("latin1").decode(bytes).includes("PKVB"), "it is in the portable form");
  assertEquals(parseBlockFile(FORMAT, key, bytes), block);
});

Deno.test("DiskTier finds its blocks again, whatever a crash left and clocks said", () =>
  withFolder(async (folder) => {
    const tier = await open(folder);
    for (const seed of [1, 2, 3]) await tier.write(makeBlock(seed));
    for (const kind of ["near", "raw"] as const) await tier.write(makeBlock(3, kind));
    const inside = `${folder}/${FORMAT.root}`;
    const half = `${inside}/${keyOf(4, "sealed")}.0.tmp`;
    await Deno.writeTextFile(half, "half");
    await Deno.utime(half, new Date(0), new Date(0));
    await Deno.writeTextFile(`${inside}/notes.txt`, "not a block");
    const farAway = new Date("2099-01-01");
    await Deno.utime(`${inside}/${keyOf(1, "sealed")}`, farAway, farAway);
    const again = await open(folder);
    assertEquals(again.keys.length, 5);
    assertEquals(again.usedBytes, tier.usedBytes);
    for (const seed of [1, 2, 3]) {
      assertEquals(await again.read(keyOf(seed, "sealed")), makeBlock(seed));
    }
    for (const kind of ["near", "raw"] as const) {
      assertEquals(await again.read(keyOf(3, kind)), makeBlock(3, kind));
    }
    const names = [...Deno.readDirSync(inside)].map(({ name }) => name);
    assert(!names.some((name) => name.endsWith(".tmp")), String(names));
  }));

Deno.test("DiskTier drops a damaged block with a message, and does not give it", () =>
  withFolder(async (folder, messages) => {
    const tier = await open(folder);
    for (const seed of [1, 2, 3]) await tier.write(makeBlock(seed));
    const pathOf = (seed: number) => `${folder}/${FORMAT.root}/${keyOf(seed, "sealed")}`;
    const bytes = await Deno.readFile(pathOf(1));
    bytes[300] ^= 4;
    await Deno.writeFile(pathOf(1), bytes);
    await Deno.truncate(pathOf(2), 100);
    await Deno.copyFile(pathOf(3), pathOf(9));
    const again = await open(folder);
    for (const seed of [1, 2, 9]) {
      assertEquals(await again.read(keyOf(seed, "sealed")), null);
      assertEquals(again.has(keyOf(seed, "sealed")), false);
    }
    assertEquals(await again.read(keyOf(3, "sealed")), makeBlock(3));
    assertEquals(messages.length, 3);
    assert(messages[0].includes("checksum") && messages[1].includes("cut"), String(messages));
    await Deno.remove(pathOf(3));
    assertEquals(await again.read(keyOf(3, "sealed")), null, "deleted by somebody else");
  }));

Deno.test("DiskTier does not see the blocks of another model, or ones that were moved to it", () =>
  withFolder(async (folder) => {
    await (await open(folder)).write(makeBlock(1));
    const root = "a".repeat(32);
    const foreign = await open(folder, { root });
    assertEquals(foreign.keys, []);
    const name = keyOf(1, "sealed");
    await Deno.copyFile(`${folder}/${FORMAT.root}/${name}`, `${folder}/${root}/${name}`);
    const moved = await open(folder, { root });
    assertEquals(await moved.read(name), null);
  }));

Deno.test("DiskTier keeps its capacity, the least recently read go first", () =>
  withFolder(async (folder) => {
    const sizeBytes = packBlockFile(FORMAT, makeBlock(1)).length;
    const tier = await open(folder, { capacityBytes: 3.5 * sizeBytes });
    for (const seed of [1, 2, 3]) await tier.write(makeBlock(seed));
    await tier.read(keyOf(1, "sealed"));
    assertEquals(await tier.write(makeBlock(4)), [keyOf(2, "sealed")]);
    assert(tier.usedBytes <= 3.5 * sizeBytes);
    assertEquals((await open(folder)).keys.length, 3);
  }));

Deno.test("DiskTier.write() fails on a full disk, leaves nothing, and works again when there is room", async () => {
  const folder = await Deno.makeTempDir({ prefix: "packkv-full-" });
  const mount = (args: string[]) => new Deno.Command(args[0], { args: args.slice(1) }).output();
  const { success } = await mount(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder])
    .catch(() => ({ success: false }));
  try {
    const tier = await open(folder);
    // Where nothing can be mounted, a folder that is gone fails in the same way.
    const filler = `${folder}/filler`;
    if (success) await Deno.writeFile(filler, new Uint8Array(2 ** 20)).catch(() => {});
    else await Deno.rename(`${folder}/${FORMAT.root}`, `${folder}/gone`);
    await assertRejects(() => tier.write(makeBlock(1)));
    assertEquals([tier.keys, tier.usedBytes], [[], 0]);
    if (success) await Deno.remove(filler);
    else await Deno.rename(`${folder}/gone`, `${folder}/${FORMAT.root}`);
    assertEquals([...Deno.readDirSync(`${folder}/${FORMAT.root}`)].length, 0);
    await tier.write(makeBlock(1));
    assertEquals(await tier.read(keyOf(1, "sealed")), makeBlock(1));
  } finally {
    if (success) await mount(["umount", folder]);
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("DiskTier sees what another tier of the same folder writes after both are open", () =>
  withFolder(async (folder, messages) => {
    const [a, b] = [await open(folder), await open(folder)];
    const wanted = Array.from({ length: 40 }, (_, seed) => ({
      sealed: keyOf(seed, "sealed"),
      near: null,
      raw: keyOf(seed, "raw"),
    }));
    assertEquals(await b.look(wanted), new Set());
    for (const seed of [0, 1]) await a.write(makeBlock(seed));
    await a.write(makeBlock(1, "raw"));
    const there = [keyOf(0, "sealed"), keyOf(1, "sealed"), keyOf(1, "raw")];
    assertEquals(await b.look(wanted), new Set(there));
    assertEquals(await b.read(there[2]), makeBlock(1, "raw"));
    assertEquals(b.usedBytes, a.usedBytes);
    // What one deletes is a miss of the other, without a message.
    await a.remove(there[0]);
    assertEquals([await b.read(there[0]), b.has(there[0])], [null, false]);
    await a.remove(there[1]);
    assertEquals(await b.look(wanted), new Set([there[2]]));
    assertEquals(b.has(there[1]), false);
    assertEquals(messages, []);
  }));

Deno.test("DiskTier looks no further than a batch beyond the first block that is missing", () =>
  withFolder(async (folder) => {
    const [a, b] = [await open(folder), await open(folder)];
    for (const seed of [0, 70]) await a.write(makeBlock(seed));
    const wanted = Array.from({ length: 80 }, (_, seed) => ({
      sealed: keyOf(seed, "sealed"),
      near: null,
      raw: null,
    }));
    assertEquals(await b.look(wanted), new Set([keyOf(0, "sealed")]));
  }));

Deno.test("two tiers of one folder keep its capacity together, but for a sixteenth each", () =>
  withFolder(async (folder) => {
    const sizeBytes = packBlockFile(FORMAT, makeBlock(1)).length;
    const capacityBytes = 5.5 * sizeBytes;
    const [a, b] = [await open(folder, { capacityBytes }), await open(folder, { capacityBytes })];
    for (let seed = 0; seed < 12; seed++) await [a, b][seed % 2].write(makeBlock(seed));
    const names = [...Deno.readDirSync(`${folder}/${FORMAT.root}`)].map(({ name }) => name);
    assertEquals(names.length, 5, String(names));
  }));

Deno.test("DiskTier leaves a file alone that another process is still writing", () =>
  withFolder(async (folder) => {
    const inside = `${folder}/${FORMAT.root}`;
    await Deno.mkdir(inside, { recursive: true });
    const unfinished = `${keyOf(4, "sealed")}.0.tmp`;
    await Deno.writeTextFile(`${inside}/${unfinished}`, "half");
    await open(folder);
    assertEquals([...Deno.readDirSync(inside)].map(({ name }) => name), [unfinished]);
  }));
