import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { COMMANDS } from "../../server/cli/commands.ts";
import type { Command } from "../../server/cli/command.ts";
import { variableOf } from "../../server/cli/environment.ts";
import { parseFlags } from "../../server/cli/flags.ts";
import { inheritSettings } from "../../server/cli/settings.ts";
import { UsageError } from "../../server/cli/usage_error.ts";

function commandOf(name: string): Command {
  return COMMANDS.find((each) => each.name === name)!;
}

interface Sources {
  command?: string;
  args?: string[];
  environment?: Record<string, string>;
  /** Text of the configuration file that PACKKV_CONFIG names. */
  config?: string;
}

/** Runs `body` with the flags in force. */
async function withFlags(
  { command: name = "serve", args = [], environment = {}, config }: Sources,
  body: (flags: ReturnType<typeof parseFlags>, configPath: string) => void = () => {},
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/settings.toml`;
  try {
    if (config !== undefined) await Deno.writeTextFile(path, config);
    const variables = config === undefined ? {} : { PACKKV_CONFIG: path };
    const command = commandOf(name);
    const { settings } = await inheritSettings(args, {
      command,
      commands: COMMANDS,
      environment: { XDG_CONFIG_HOME: folder, ...variables, ...environment },
    });
    body(parseFlags(args, command.flags, settings), path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const CONFIG = 'port = 1\nctx = 100\ninsecure = true\n[serve]\nport = 2\ncors = ["a", "b"]\n';

Deno.test("the command line wins over the environment, it over the table, that over the top", async () => {
  const environment = { PACKKV_PORT: "3" };
  const port = async (sources: Sources) => {
    let found: string | null = null;
    await withFlags(sources, (flags) => found = flags.text("port"));
    return found;
  };
  assertEquals(await port({ config: CONFIG, environment, args: ["--port", "4"] }), "4");
  assertEquals(await port({ config: CONFIG, environment }), "3");
  assertEquals(await port({ config: CONFIG }), "2");
  assertEquals(await port({ config: "port = 1" }), "1");
  assertEquals(await port({}), null);
});

Deno.test("a setting for all commands reaches each that has it, a table only its own", () =>
  withFlags({ command: "run", config: CONFIG }, (flags) => {
    assertEquals(flags.text("ctx"), "100");
    assertEquals(flags.has("port"), false);
  }));

Deno.test("a list of the file is joined, a switch can be taken back by what wins over it", async () => {
  await withFlags({ config: CONFIG }, (flags) => {
    assertEquals([flags.text("cors"), flags.has("insecure")], ["a,b", true]);
  });
  for (
    const off of [{ environment: { PACKKV_INSECURE: "false" } }, { args: ["--insecure=false"] }]
  ) {
    await withFlags({ config: CONFIG, ...off }, (flags) => {
      assertEquals(flags.has("insecure"), false);
    });
  }
});

Deno.test("--config wins over PACKKV_CONFIG, and the user's own file is found", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/packkv`);
    await Deno.writeTextFile(`${folder}/packkv/config.toml`, "port = 5");
    await Deno.writeTextFile(`${folder}/other.toml`, "port = 6");
    const environment = { XDG_CONFIG_HOME: folder };
    await withFlags({ environment }, (flags) => assertEquals(flags.text("port"), "5"));
    const args = ["--config", `${folder}/other.toml`];
    await withFlags({ environment, args }, (flags) => assertEquals(flags.text("port"), "6"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a value that is wrong is told with the place it came from", async () => {
  const range = { min: 0, max: 65_535, isInteger: true };
  const messages: string[] = [];
  const read = (flags: ReturnType<typeof parseFlags>) => {
    try {
      flags.number("port", range);
    } catch (error) {
      messages.push((error as Error).message);
    }
  };
  await withFlags({ environment: { PACKKV_PORT: "http" } }, read);
  await withFlags({ config: "[serve]\nport = -1" }, read);
  await withFlags({ args: ["--port", "x"] }, read);
  assertMatch(messages[0], /^Cannot use PACKKV_PORT=http: must be a whole/);
  assertMatch(
    messages[1],
    /^Cannot use serve\.port = "?-1"? of \S+settings\.toml: must be a whole/,
  );
  assertMatch(messages[2], /^Cannot use --port x: must be a whole number from 0 to 65535$/);
});

const WRONG: [string, Sources, RegExp][] = [
  ["a line that is no TOML", { config: "port = 1\nctx = = 2\n" }, /settings\.toml:2:\d+: /],
  [
    "a key nobody knows",
    { config: "prot = 1" },
    /prot of \S+: no such setting; did you mean port\?/,
  ],
  [
    "a key of another command in a table",
    { config: "[run]\nport = 1" },
    /run\.port of \S+: no such setting/,
  ],
  ["a table nobody knows", { config: "[srve]\nport = 1" }, /srve of .*did you mean serve\?/],
  ["a command that is no table", { config: "serve = 1" }, /serve of .*must be a table, \[serve\]/],
  ["a switch that is no boolean", { config: 'insecure = "yes"' }, /must be true or false/],
  ["a value that is a date", { config: "port = 2026-01-01" }, /must be a string or a number/],
  [
    "a choice there is not",
    { config: 'profile = "fast"' },
    /profile = "fast" of .*must be (\S+ or )*balanced or /,
  ],
  ["a misspelt variable", { environment: { PACKKV_PROT: "1" } }, /did you mean PACKKV_PORT\?/],
  ["a switch of neither value", { environment: { PACKKV_INSECURE: "x" } }, /must be true or false/],
  ["a file that is not there", { args: ["--config", "/nowhere/c"] }, /--config \/nowhere\/c: No/],
  ["a file without a name", { args: ["--config"] }, /--config: it needs a value/],
];

for (const [what, sources, message] of WRONG) {
  Deno.test(`settings refuse ${what}, and name it`, async () => {
    const error = await assertRejects(() => withFlags(sources), UsageError) as Error;
    assertMatch(error.message, message);
  });
}

Deno.test("settings do not print keys", async () => {
  const sources = { environment: { PACKKV_API_KEY: "secret" } };
  await withFlags(sources, (flags) => {
    assertEquals([flags.text("api-key"), flags.label("api-key")], ["secret", "PACKKV_API_KEY=…"]);
  });
});

/** What Kubernetes sets for a service of this name with a port called `http`. */
function serviceVariables(name: string): Record<string, string> {
  return {
    [`${name}_SERVICE_HOST`]: "10.96.0.5",
    [`${name}_SERVICE_PORT`]: "8000",
    [`${name}_SERVICE_PORT_HTTP`]: "8000",
    [`${name}_PORT`]: "tcp://10.96.0.5:8000",
    [`${name}_PORT_8000_TCP`]: "tcp://10.96.0.5:8000",
    [`${name}_PORT_8000_TCP_PROTO`]: "tcp",
    [`${name}_PORT_8000_TCP_PORT`]: "8000",
    [`${name}_PORT_8000_TCP_ADDR`]: "10.96.0.5",
  };
}

for (const service of ["PACKKV", "PACKKV_API", "PACKKV_MODEL", "PACKKV_KV", "PACKKV_LOG"]) {
  Deno.test(`what Kubernetes sets for a service ${service} is no setting`, async () => {
    const environment = { ...serviceVariables(service), PACKKV_DENO: "/x", PACKKV_CTX: "100" };
    await withFlags({ environment }, (flags) => {
      assertEquals([flags.text("port"), flags.text("ctx")], [null, "100"]);
    });
    await withFlags({ environment, config: "port = 1" }, (flags) => {
      assertEquals(flags.text("port"), "1");
    });
  });
}

Deno.test("measuring commands take their settings from the command line only", async () => {
  const environment = { PACKKV_PROFILE: "exact" };
  for (const command of ["eval", "bench", "bench serve"]) {
    await withFlags({ command, environment }, (flags) => {
      assertEquals(flags.has("profile"), false, command);
    });
  }
});

Deno.test("variableOf() names the variable of a flag", () => {
  assertEquals(variableOf("api-key-file"), "PACKKV_API_KEY_FILE");
});
