import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { COMMANDS } from "../../server/cli/commands.ts";
import { describeCommand, describeCommands } from "../../server/cli/help.ts";
import { CATALOGUE } from "../../server/setup/catalogue.ts";

const MAIN = fileURLToPath(new URL("../../server/main.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

interface Outcome {
  code: number;
  out: string;
  errors: string;
}

async function packkv(...args: string[]): Promise<Outcome> {
  return await packkvIn({}, ...args);
}

async function packkvIn(env: Record<string, string>, ...args: string[]): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--config", CONFIG, MAIN, ...args],
    stdin: "null",
    env,
  }).output();
  const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out, errors };
}

const LINES: [string, number, RegExp][] = [
  ["srve", 2, /^packkv: Cannot understand "srve": no such command; did you mean serve\?\n$/],
  ["something", 2, /^packkv: Cannot understand "something": no such command; see packkv help\n$/],
  ["serve --prt 1", 2, /^packkv: Cannot understand --prt: no such flag; did you mean --port\?\n$/],
  ["serve --host 0.0.0.0", 2, /^packkv: Cannot listen on 0\.0\.0\.0: .*--api-key, or --insecure/],
  ["serve 8000", 2, /^packkv: Cannot understand "8000": not a flag\n$/],
  ["serve --api-key-file /nowhere/k", 2, /^packkv: Cannot read --api-key-file \/nowhere\/k: /],
  ["serve --model /nowhere/m.gguf", 1, /^packkv: Cannot use model \/nowhere\/m\.gguf: no such/],
  ["run", 2, /^packkv: Cannot run: there is no prompt/],
  ["run --model /nowhere/m.gguf hello", 1, /^packkv: Cannot use model .*: no such file/],
];

for (const [line, expectedCode, message] of LINES) {
  Deno.test(`packkv ${line} says what is wrong in one line, exits ${expectedCode}`, async () => {
    const { code, out, errors } = await packkv(...line.split(" "));
    assertMatch(errors, message);
    assertEquals([code, out], [expectedCode, ""]);
  });
}

Deno.test("packkv, packkv help and packkv --help list the commands", async () => {
  const expected = `${describeCommands(COMMANDS)}\n`;
  for (const args of [[], ["help"], ["--help"]]) {
    assertEquals(await packkv(...args), { code: 0, out: expected, errors: "" });
  }
});

Deno.test("packkv COMMAND --help and packkv help COMMAND tell all about it", async () => {
  const [serve] = COMMANDS;
  const expected = { code: 0, out: `${describeCommand(serve)}\n`, errors: "" };
  assertEquals(await packkv("serve", "--port", "80", "--help"), expected);
  assertEquals(await packkv("help", "serve"), expected);
});

Deno.test("packkv says that it passes over the address Kubernetes puts into PACKKV_PORT", async () => {
  const variables = { PACKKV_PORT: "tcp://10.96.0.5:8000", PACKKV_SERVICE_HOST: "10.96.0.5" };
  const { code, errors } = await packkvIn(variables, "serve", "--model", "/nowhere/m.gguf");
  assertEquals(code, 1);
  assertEquals(
    errors.split("\n").slice(0, -1).map((line) => line.slice(0, 51)),
    [
      "packkv: passing over PACKKV_PORT=tcp://10.96.0.5:80",
      "packkv: Cannot use model /nowhere/m.gguf: no such f",
    ],
  );
});

Deno.test("packkv version prints the version of deno.json", async () => {
  const { version } = JSON.parse(await Deno.readTextFile(CONFIG));
  assertStringIncludes((await packkv("version")).out, `packkv ${version} `);
});

Deno.test("packkv models lists each short name with its size, and what fits the memory given", async () => {
  const { code, out, errors } = await packkv("models", "--memory", "8");
  assertEquals([code, errors], [0, ""]);
  const [head, ...lines] = out.trimEnd().split("\n");
  assertMatch(head, /^model +size +here +exact +balanced +trained +from$/);
  assertEquals(lines.at(-1), "tokens of context that fit 8.0 GiB, by profile");
  const rows = lines.slice(0, -2).map((line) => line.split(/ {2,}/));
  assertEquals(rows.map(([name]) => name), CATALOGUE.map(({ name }) => name));
  const [, size, here, exact, balanced] = rows.find(([name]) => name === "qwen3:8b")!;
  assertEquals([size, exact, balanced], ["5.0 GB", "16304", "40960"]);
  assertMatch(here, /^(yes|no)$/);
  const few = await packkv("models", "--memory", "2G");
  assertEquals([few.code, few.out], [2, ""]);
  assertMatch(few.errors, /^packkv: Cannot use --memory 2G: must be a number of GiB/);
});

for (const command of COMMANDS) {
  Deno.test(`describeCommand() shows an example of ${command.name} that calls it`, () => {
    const text = describeCommand(command);
    assertStringIncludes(text, `packkv ${command.name}: ${command.summary}`);
    assertEquals(command.examples.length > 0, true);
    for (const example of command.examples) {
      assertMatch(example, new RegExp(`^packkv ${command.name}\\b`));
    }
  });
}
