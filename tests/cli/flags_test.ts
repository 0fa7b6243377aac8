import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { describeFlags, type FlagSpecs, parseFlags } from "../../server/cli/flags.ts";
import { editDistance, nearest } from "../../server/cli/nearest.ts";
import { UsageError } from "../../server/cli/usage_error.ts";

const SPECS: FlagSpecs = {
  port: { value: "PORT", help: "port to listen on" },
  profile: { value: "NAME", choices: ["exact", "paper"], help: "codec" },
  insecure: { help: "no key" },
};

function refusal(args: readonly string[]): string {
  return (assertThrows(() => parseFlags(args, SPECS), UsageError) as Error).message;
}

Deno.test("parseFlags() reads flags and positional arguments in any order", () => {
  const flags = parseFlags(["one", "--port=80", "--insecure", "two", "--profile", "exact"], SPECS);
  assertEquals(flags.text("port"), "80");
  assertEquals(flags.text("profile"), "exact");
  assertEquals([flags.has("insecure"), flags.has("port")], [true, true]);
  assertEquals(flags.positionals, ["one", "two"]);
});

Deno.test("parseFlags() leaves flags out that were not given", () => {
  const flags = parseFlags([], SPECS);
  assertEquals([flags.text("port"), flags.has("insecure"), flags.has("port")], [
    null,
    false,
    false,
  ]);
  assertEquals(flags.number("port", { min: 0, max: 9 }), null);
});

Deno.test("parseFlags() keeps positional numbers as they were typed", () => {
  assertEquals(parseFlags(["007", "1e3"], SPECS).positionals, ["007", "1e3"]);
});

Deno.test("parseFlags() refuses an unknown flag and names the nearest", () => {
  assertMatch(refusal(["--prot", "80"]), /--prot: no such flag; did you mean --port\?/);
  assertMatch(refusal(["--prot=80"]), /Cannot understand --prot: /);
  assertMatch(refusal(["--something-else"]), /no such flag; see --help/);
  assertMatch(refusal(["-x"]), /Cannot understand -x/);
});

Deno.test("parseFlags() refuses a missing value and one outside the choices", () => {
  assertMatch(refusal(["--port"]), /--port: it needs a value, PORT/);
  assertMatch(refusal(["--port="]), /--port: it needs a value/);
  assertMatch(refusal(["--profile", "fast"]), /--profile fast: must be exact or paper/);
});

for (const text of ["x", "-1", "65536", "1.5", "0x", "NaN", "Infinity"]) {
  Deno.test(`Flags.number() refuses ${text} for a port`, () => {
    const flags = parseFlags([`--port=${text}`], SPECS);
    const range = { min: 0, max: 65_535, isInteger: true };
    const error = assertThrows(() => flags.number("port", range), UsageError) as Error;
    assertMatch(error.message, /must be a whole number from 0 to 65535/);
  });
}

Deno.test("Flags.number() takes both ends of its range", () => {
  const range = { min: 0.5, max: 2 };
  assertEquals(parseFlags(["--port", "0.5"], SPECS).number("port", range), 0.5);
  assertEquals(parseFlags(["--port", "2"], SPECS).number("port", range), 2);
});

Deno.test("Flags.refusePositionals() names the first one", () => {
  const flags = parseFlags(["8000"], SPECS);
  assertMatch((assertThrows(() => flags.refusePositionals()) as Error).message, /"8000"/);
});

Deno.test("describeFlags() aligns the help of flags", () => {
  assertEquals(describeFlags(SPECS).split("\n"), [
    "  --port PORT              port to listen on",
    "  --profile {exact,paper}  codec",
    "  --insecure               no key",
  ]);
});

Deno.test("nearest() finds a typing mistake and gives up on other words", () => {
  const known = ["serve", "run", "bench", "eval"];
  assertEquals(nearest("srve", known), "serve");
  assertEquals(nearest("bnech", known), "bench");
  assertEquals(nearest("completely", known), null);
});

Deno.test("editDistance() counts letters to insert, delete and replace", () => {
  const cases: [string, string, number][] = [
    ["", "", 0],
    ["", "abc", 3],
    ["abc", "", 3],
    ["kitten", "sitting", 3],
    ["flaw", "lawn", 2],
  ];
  for (const [a, b, distance] of cases) assertEquals(editDistance(a, b), distance, `${a} ${b}`);
});
