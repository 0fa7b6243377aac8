import { assertEquals } from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";

Deno.test("parseArgs() reads --a=b and --a b as the same text", () => {
  for (const args of [["--port=080"], ["--port", "080"]]) {
    const port: string | undefined = parseArgs(args, { string: ["port"] }).port;
    assertEquals(port, "080");
  }
});

Deno.test("parseArgs() leaves the next argument alone after a boolean unless it says true or false", () => {
  const options = { boolean: ["quiet"] } as const;
  assertEquals(parseArgs(["--quiet", "x"], options), { _: ["x"], quiet: true });
  assertEquals(parseArgs(["--quiet", "false", "x"], options), { _: ["x"], quiet: false });
  assertEquals(parseArgs(["--quiet=false"], options), { _: [], quiet: false });
  assertEquals(parseArgs([], options), { _: [], quiet: false });
});

Deno.test("parseArgs() gives empty text if a string flag has no value", () => {
  const args = parseArgs(["--model", "--port", "1"], { string: ["model", "port"] });
  assertEquals([args.model, args.port], ["", "1"]);
});

Deno.test("parseArgs() sets every name of an alias", () => {
  const args = parseArgs(["-p", "80", "-h"], {
    string: ["port"],
    boolean: ["help"],
    alias: { port: "p", h: ["help"] },
  });
  assertEquals([args.port, args.help], ["80", true]);
  assertEquals((args as Record<string, unknown>).p, "80");
});

Deno.test("parseArgs() fills in defaults only where a flag is absent", () => {
  const options = { string: ["host", "port"], default: { host: "::1", port: "1" } } as const;
  const host: string = parseArgs([], options).host;
  assertEquals(host, "::1");
  assertEquals(parseArgs(["--port", "2"], options).port, "2");
});

Deno.test("parseArgs() lists repeated flags that are collected and keeps the last of others", () => {
  const args = parseArgs(["--a", "1", "--a", "2", "--b", "1", "--b", "2"], {
    string: ["a", "b"],
    collect: ["a", "c"],
  });
  assertEquals([args.a, args.b], [["1", "2"], "2"]);
  assertEquals((args as Record<string, unknown>).c, []);
});

Deno.test("parseArgs() negates only what is declared negatable", () => {
  const options = { boolean: ["color"], negatable: ["color"], default: { color: true } } as const;
  assertEquals(parseArgs(["--no-color"], options).color, false);
  assertEquals(parseArgs([], options).color, true);
  assertEquals(parseArgs(["--no-x"]), { _: [], "no-x": true } as never);
});

Deno.test("parseArgs() reports undeclared flags with their value and leaves them out if told to", () => {
  const seen: unknown[] = [];
  const args = parseArgs(["serve", "--prot", "80", "--x=1"], {
    string: ["port"],
    unknown: (argument, key, value) => {
      seen.push([argument, key, value]);
      return key === undefined;
    },
  });
  assertEquals(args as unknown, { _: ["serve"] });
  assertEquals(seen, [["serve", undefined, undefined], ["--prot", "prot", "80"], [
    "--x=1",
    "x",
    "1",
  ]]);
});

Deno.test("parseArgs() stops at the first positional argument with stopEarly", () => {
  const args = parseArgs(["-v", "run", "--port", "80"], { boolean: ["v"], stopEarly: true });
  assertEquals(args, { _: ["run", "--port", 80], v: true });
});

Deno.test("parseArgs() puts what follows -- apart only if asked", () => {
  assertEquals(parseArgs(["a", "--", "--b"])._, ["a", "--b"]);
  assertEquals(parseArgs(["a", "--", "--b"], { "--": true }), { _: ["a"], "--": ["--b"] });
});

Deno.test("parseArgs() makes numbers of positional arguments unless _ is declared as text", () => {
  assertEquals(parseArgs(["1", "1e3", "1a", "0x10"])._, [1, 1000, "1a", 16]);
  assertEquals(parseArgs(["1", "-"], { string: ["_"] })._, ["1", "-"]);
});
