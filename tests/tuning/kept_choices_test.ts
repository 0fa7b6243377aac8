import { assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import { choicesPath, readChoices, writeChoices } from "../../src/tuning/kept_choices.ts";
import { ADAPTERS } from "../support/adapters.ts";

const facts = ADAPTERS["Apple on Metal"];

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "packkv-choices-" });
  await body(folder);
  await Deno.remove(folder, { recursive: true });
}

Deno.test("choices are kept by all that the device is, and not by what was chosen on it", () => {
  const path = choicesPath(facts, "f");
  assertEquals(choicesPath({ ...facts, tuned: { a: "b" } }, "f"), path);
  for (const other of [{ name: "M9" }, { driver: "another" }, { subgroupLanes: 16 }]) {
    assertNotEquals(choicesPath({ ...facts, ...other }, "f"), path);
  }
  assertMatch(choicesPath(facts), /packkv\/tuning\/[0-9a-f]{32}\.json$/);
});

Deno.test("readChoices() gives what was written, and nothing where nothing was", () =>
  withFolder(async (folder) => {
    const path = `${folder}/new/choices.json`;
    const fail = (message: string) => {
      throw new Error(message);
    };
    assertEquals(await readChoices(path, fail), {});
    const choices = { "matmul 1x32 q4": { name: "slices", gain: 1.5 } };
    await writeChoices(path, choices);
    assertEquals(await readChoices(path, fail), choices);
  }));

Deno.test("readChoices() takes a damaged file for none, and says so", () =>
  withFolder(async (folder) => {
    const path = `${folder}/choices.json`;
    const other = { version: 1, choices: { a: { name: 1, gain: null } } };
    for (const text of ["{", "{}", '{"version": 9, "choices": {}}', JSON.stringify(other)]) {
      await Deno.writeTextFile(path, text);
      const said: string[] = [];
      assertEquals(await readChoices(path, (message) => said.push(message)), {});
      assertMatch(said.join(), /choices\.json is damaged and measured again: /, text);
    }
  }));

Deno.test("writeChoices() names the file that it cannot write", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/file`, "");
    const error = await assertRejects(() => writeChoices(`${folder}/file/x.json`, {}), EngineError);
    assertEquals(error.code, "storage_failed");
    assertMatch(error.message, /Cannot keep what tuning chose at .*file\/x\.json/);
  }));
