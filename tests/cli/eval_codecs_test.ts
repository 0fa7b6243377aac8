import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { BASELINE_NAMES } from "../../src/evaluation/baselines/table.ts";
import { describeCodec } from "../../src/evaluation/codecs.ts";
import { CODEC_FLAGS } from "../../server/cli/codec_flags.ts";
import { parseCodecList, readCodecRequests, resolveCodecs } from "../../server/cli/eval_codecs.ts";
import { parseFlags } from "../../server/cli/flags.ts";
import { UsageError } from "../../server/cli/usage_error.ts";

const SPECS = { ...CODEC_FLAGS, profiles: { value: "LIST", help: "" } };
const read = (...args: string[]) => readCodecRequests(parseFlags(args, SPECS));

Deno.test("parseCodecList() reads profiles with settings, and baselines", () => {
  assertEquals(parseCodecList("exact,paper:k-rel=0.05:repack=greedy,q4_0+sinks"), [
    { name: "exact", profile: { name: "exact" } },
    {
      name: "paper:k-rel=0.05:repack=greedy",
      profile: { name: "paper", keyRel: 0.05, repack: "greedy" },
    },
    { name: "q4_0+sinks", profile: null },
  ]);
});

Deno.test("parseCodecList() reads a baseline that has settings", () => {
  const requests = parseCodecList("deltakv-global,deltakv-global:stride=20:bits=4");
  assertEquals(requests.map(({ profile }) => profile), [null, null]);
  const [packed, published] = resolveCodecs(requests, { kvHeadCount: 3, headSize: 64 });
  assertEquals(published.name, "deltakv-global:stride=20:bits=4");
  assertMatch(describeCodec(packed), /every 10 tokens, .*packed.*, first 8 tokens raw/);
  assertMatch(describeCodec(published), /every 20 tokens, the 4 nearest, .*4-bit codes/);
});

Deno.test("parseCodecList() takes `baselines` for all of them, all of which exist", () => {
  const requests = parseCodecList("baselines");
  assertEquals(requests.map(({ name }) => name), [...BASELINE_NAMES]);
  const codecs = resolveCodecs(requests, { kvHeadCount: 3, headSize: 64 });
  assertEquals(new Set(codecs.map(describeCodec)).size, BASELINE_NAMES.length);
});

Deno.test("readCodecRequests() names a single profile as a list would", () => {
  assertEquals(read(), [{ name: "balanced", profile: { name: "balanced" } }]);
  const [{ name }] = read("--profile", "paper", "--k-rel", "0.05", "--pack-size", "8");
  assertEquals(name, "paper:k-rel=0.05:pack-size=8");
  assertEquals(
    parseCodecList(name),
    read("--profile", "paper", "--k-rel", "0.05", "--pack-size", "8"),
  );
});

const REFUSED: [string, RegExp][] = [
  ["papr", /Cannot evaluate papr: no such profile; did you mean paper\?/],
  ["", /an empty name: no such profile/],
  ["q4_0:k-rel=0.1", /a baseline has no settings/],
  ["deltakv-global:stride=1", /stride is 1; wanted a whole number from 2 to 64/],
  ["paper:k-rel=2", /--k-rel 2: must be/],
  ["paper:k-real=0.1", /did you mean --k-rel\?/],
  ["exact:k-rel=0.1", /--k-rel with --profile exact/],
];

for (const [list, message] of REFUSED) {
  Deno.test(`parseCodecList() refuses "${list}"`, () => {
    const error = assertThrows(() => parseCodecList(list), UsageError) as Error;
    assertMatch(error.message, message);
  });
}

Deno.test("readCodecRequests() refuses codec flags beside a list", () => {
  const error = assertThrows(() => read("--profiles", "q4_0", "--k-rel", "0.1")) as Error;
  assertMatch(error.message, /--k-rel with --profiles/);
});
