import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { missingPackages } from "../../server/setup/packages.ts";
import { writeTinyModel } from "../support/tiny_model.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PROGRAM = ["packkv", "deno.json", "deno.lock", "mod.ts", "server", "src", "shaders", "bench"];
/** `nobody`; a user without privileges is its own. */
const OTHER_UID = 65_534;
/** No address leads anywhere: a fetch fails at once. */
const OFFLINE = { HTTPS_PROXY: "http://127.0.0.1:9", HTTP_PROXY: "http://127.0.0.1:9" };

interface Outcome {
  code: number;
  out: string;
  errors: string;
}

interface Checkout {
  root: string;
  /** Home of the other user. */
  home: string;
  /** A command of the script, not yet started: as that user, without a network. */
  command: (args: readonly string[], env?: Record<string, string>) => Deno.Command;
  run: (args: readonly string[], env?: Record<string, string>) => Promise<Outcome>;
}

async function shell(line: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("/bin/sh", {
    args: ["-euc", line, "sh", ...args],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** A copy of the program that another user is given and cannot write. */
async function withCheckout(
  { isSetUp }: { isSetUp: boolean },
  work: (checkout: Checkout) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const [root, home, deno] = ["packkv serve", "home", "deno"].map((name) => join(folder, name));
  try {
    await Deno.mkdir(root);
    await Deno.mkdir(home);
    // The one that runs may lie in a folder that others cannot enter.
    await Deno.copyFile(Deno.execPath(), deno);
    await shell('to=$1; cd "$2"; shift 2; cp -R "$@" "$to"', root, ROOT, ...PROGRAM);
    if (isSetUp) await shell('PACKKV_DENO=$1 "$2/packkv" version >&2', deno, root);
    await shell('chmod -R a+rX,a-w "$1/packkv serve"; chmod a+rx "$1" "$1/deno"', folder);
    const isRoot = Deno.uid() === 0;
    if (isRoot) await shell('chown -R "$1" "$2"', String(OTHER_UID), home);
    const command = (args: readonly string[], env: Record<string, string> = {}) =>
      new Deno.Command("/bin/sh", {
        args: [join(root, "packkv"), ...args],
        cwd: folder,
        clearEnv: true,
        env: {
          PATH: Deno.env.get("PATH") ?? "",
          HOME: home,
          PACKKV_DENO: deno,
          NO_COLOR: "1",
          ...OFFLINE,
          ...env,
        },
        ...(isRoot ? { uid: OTHER_UID, gid: OTHER_UID } : {}),
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      });
    const run = async (args: readonly string[], env?: Record<string, string>) => {
      const { code, stdout, stderr } = await command(args, env).output();
      const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      return { code, out, errors };
    };
    await work({ root, home, command, run });
  } finally {
    await shell('chmod -R u+w "$1"', folder);
    await Deno.remove(folder, { recursive: true });
  }
}

function checkoutTest(
  claim: string,
  options: { isSetUp: boolean },
  work: (checkout: Checkout) => Promise<void>,
): void {
  Deno.test({
    name: `packkv ${claim}`,
    ignore: Deno.build.os === "windows",
    fn: () => withCheckout(options, work),
  });
}

/** The URL a server prints once it listens. */
async function urlOf(output: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let said = "";
  for await (const text of output.pipeThrough(new TextDecoderStream())) {
    said += text;
    const found = /listening on (http\S+)\n/.exec(said);
    if (found !== null) return found[1];
  }
  throw new Error(`The server ended: ${said}`);
}

checkoutTest(
  "runs from another user's checkout that cannot be written, offline and quietly",
  { isSetUp: true },
  async ({ run }) => {
    const { code, out, errors } = await run(["version"]);
    assertEquals([code, errors], [0, ""]);
    assertMatch(out, /^packkv \d/);
  },
);

Deno.test({
  name: "packkv sets up a fresh checkout without a word but its progress line",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const root = await Deno.makeTempDir();
    try {
      await shell('to=$1; cd "$2"; shift 2; cp -R "$@" "$to"', root, ROOT, ...PROGRAM);
      const { code, stderr } = await new Deno.Command(join(root, "packkv"), { args: ["version"] })
        .output();
      assertEquals(code, 0);
      assertMatch(new TextDecoder().decode(stderr), /^(fetching npm packages \(once\)\n)?$/);
      assertEquals(missingPackages(root), []);
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  },
});

checkoutTest(
  "serves from such a checkout, answers held to a schema included",
  { isSetUp: true },
  async ({ home, command }) => {
    const model = join(home, "tiny.gguf");
    await writeTinyModel(model);
    const flags = ["--model", model, "--profile", "exact", "--port", "0"];
    const child = command(["serve", ...flags]).spawn();
    const said = new Response(child.stderr).text();
    try {
      const url = await urlOf(child.stdout);
      const response = await fetch(`${url}/v1/completions`, {
        method: "POST",
        body: JSON.stringify({
          prompt: "a",
          max_tokens: 8,
          response_format: {
            type: "json_schema",
            json_schema: { name: "x", schema: { enum: ["yes"] } },
          },
        }),
      });
      const answer = await response.json();
      assertEquals(
        [response.status, answer.choices?.[0].text],
        [200, '"yes"'],
        JSON.stringify(answer),
      );
    } finally {
      child.kill("SIGINT");
      await child.status;
      await said;
    }
  },
);

checkoutTest(
  "says why it cannot fetch packages where they are missing and nothing can be written",
  { isSetUp: false },
  async ({ run }) => {
    const { code, out, errors } = await run(["version"]);
    assertEquals([code, out], [1, ""]);
    assertStringIncludes(errors, "packkv: Cannot fetch the npm packages: ");
    assertStringIncludes(errors, "Connection refused");
    assertEquals(/backtrace|\bat file:/.test(errors), false, errors);
  },
);

checkoutTest(
  "keeps packages in the user's own cache where the checkout has none and cannot be written",
  { isSetUp: false },
  async ({ root, run }) => {
    // That cache stands for one filled before: what this process runs from, for it to read.
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] })
      .output();
    const { npmCache } = JSON.parse(new TextDecoder().decode(stdout));
    const own = join(root, "../home/.cache/deno");
    await shell(
      'mkdir -p "$2"; cp -R "$1" "$2"; [ "$(id -u)" != 0 ] || chown -R 65534 "$2/../.."',
      npmCache,
      own,
    );
    const { code, out, errors } = await run(["version"]);
    assertEquals([code, errors], [0, ""]);
    assertMatch(out, /^packkv \d/);
  },
);
