/** One table of settings: flags, fields, names of blocks and the guide have what it says. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  codecProfile,
  createCodec,
  DEFAULT_PROFILE_NAME,
  listSettings,
  PROFILE_NAMES,
  profileFields,
  profileOptions,
} from "../../src/codec/profile.ts";
import { seededTables } from "../support/banded_samples.ts";

const SHAPE = { kvHeadCount: 2, headSize: 64 };

/** Stored blocks are found by these: a change makes all of them unreadable. */
const IDENTITIES: Record<string, string> = {
  exact: '{"name":"exact"}',
  int8: '{"name":"int8"}',
  xquant: '{"name":"xquant","bits":"2","shrink":1}',
  paper: '{"name":"paper","keyRel":0.1,"valueRel":0.2,"packSize":16,"repack":"none"}',
  "near-lossless": '{"name":"near-lossless","keyStep":1.1,"valueStep":1.26,"sinkCount":4,' +
    '"layerFactors":null} d86f0460868c9c90c7dc0e2ce0f8f745',
  deltakv: '{"name":"deltakv","keyRel":0.1,"valueRel":0.2,"packSize":16,"stride":10,' +
    '"neighbourCount":4}',
  balanced: '{"name":"balanced","keyStep":1.68,"valueStep":2,"sinkCount":2,' +
    '"layerFactors":null} d86f0460868c9c90c7dc0e2ce0f8f745',
  tight: '{"name":"tight","keyStep":3,"valueStep":3.7,"sinkCount":2,' +
    '"layerFactors":null} d86f0460868c9c90c7dc0e2ce0f8f745',
};

for (const name of PROFILE_NAMES) {
  Deno.test(`blocks of profile ${name} keep the name they are stored under`, () => {
    const codec = createCodec(SHAPE, { name }, [seededTables(SHAPE, 1)]);
    assertEquals(codec.identity, IDENTITIES[name]);
  });
}

Deno.test("settings are in the identity in the table's order, however they are given", () => {
  const given = { repack: "greedy", valueRel: 0.1, name: "paper", keyRel: 0.05 } as const;
  assertEquals(
    createCodec(SHAPE, given, null).identity,
    '{"name":"paper","keyRel":0.05,"valueRel":0.1,"packSize":16,"repack":"greedy"}',
  );
});

Deno.test("profileOptions() gives back what is right, and refuses what no profile has", () => {
  assertEquals(profileOptions({ name: "tight", keyStep: 3 }), { name: "tight", keyStep: 3 });
  assertThrows(() => profileOptions({ name: "tight", keyStep: "3" }), RangeError, 'keyStep "3"');
  assertThrows(() => profileOptions({ name: "tight", packSize: 8 }), RangeError, "packSize");
});

Deno.test("profileFields() has every setting but files, under the flags' names", () => {
  assertEquals(profileFields(codecProfile({ name: "exact" })), {});
  assertEquals(profileFields(codecProfile({ name: "balanced", sinkCount: 3 })), {
    k_step: 1.68,
    v_step: 2,
    sink_tokens: 3,
  });
});

Deno.test("the guide's table has every setting with its meaning and default", async () => {
  const text = await Deno.readTextFile(new URL("../../server/docs/codec.md", import.meta.url));
  const rows = text.split("\n").filter((line) => line.startsWith("| `--")).map((line) =>
    line.split("|").slice(1, -1).map((cell) => cell.trim())
  );
  const expected = listSettings().map(({ setting, meaning, defaultWords }) => {
    return [`\`--${setting.flag}\``, meaning, defaultWords];
  });
  const [profile, ...others] = rows;
  assertEquals(others, expected);
  assertEquals([profile[0], profile[2]], ["`--profile`", DEFAULT_PROFILE_NAME]);
  for (const name of PROFILE_NAMES) assert(profile[1].includes(`\`${name}\``), name);
});
