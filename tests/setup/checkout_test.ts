import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { ensurePackages, missingPackages } from "../../server/setup/packages.ts";
import { type Checkout, PROGRAM, ROOT, shell, urlOf, withCheckout } from "./checkout.ts";
import { writeTinyModel } from "../support/tiny_model.ts";

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

checkoutTest(
  "runs from another user's checkout that cannot be written, offline and quietly",
  { isSetUp: true },
  async ({ run }) => {
    const { code, out, errors } = await run(["version"]);
    assertEquals([code, errors], [0, ""]);
    assertMatch(out, /^packkv \d/);
  },
);

/** Tests in a copy of the program that has no packages and can be written. */
function freshTest(claim: string, work: (root: string) => Promise<void>): void {
  Deno.test({
    name: `packkv ${claim}`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      const root = await Deno.makeTempDir();
      try {
        await shell('to=$1; cd "$2"; shift 2; cp -R "$@" "$to"', root, ROOT, ...PROGRAM);
        await work(root);
      } finally {
        await Deno.remove(root, { recursive: true });
      }
    },
  });
}

freshTest("sets up a fresh checkout without a word but its progress line", async (root) => {
  const { code, stderr } = await new Deno.Command(join(root, "packkv"), { args: ["version"] })
    .output();
  assertEquals(code, 0);
  assertMatch(new TextDecoder().decode(stderr), /^(fetching npm packages \(once\)\n)?$/);
  assertEquals(missingPackages(root), []);
});

freshTest(
  "fetches Dawn's package only where it is asked for, with a progress line",
  async (root) => {
    await ensurePackages(root);
    assertEquals(missingPackages(root, ["webgpu"]), ["webgpu"]);
    const { stderr } = await new Deno.Command(join(root, "packkv"), {
      args: ["doctor", "--webgpu", "dawn"],
    }).output();
    // Dawn itself says what it finds wrong with a driver.
    const said = new TextDecoder().decode(stderr).split("\n").filter((line) =>
      !/^(Warning: |\s|$)/.test(line)
    );
    assertMatch(said.join("\n"), /^(fetching Dawn, 51 MB \(once\))?$/);
    assertEquals(missingPackages(root, ["webgpu"]), []);
  },
);

checkoutTest(
  "serves from such a checkout, answers held to a schema included",
  { isSetUp: true },
  async ({ home, command }) => {
    const model = join(home, "tiny.gguf");
    await writeTinyModel(model);
    // For one answer, few kernels: this user has none that are compiled.
    const small = ["--sequences", "1", "--speculation", "off"];
    const flags = ["--model", model, "--profile", "exact", "--port", "0", ...small];
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
    // Links of its files where there can be any and all may read them: it is large. Only copies
    // change their owner.
    await shell(
      'mkdir -p "$2"; [ -z "$(find "$1" ! -perm -4)" ] && cp -Rl "$1" "$2" 2>/dev/null || ' +
        'cp -R "$1" "$2"; [ "$(id -u)" != 0 ] || ' +
        'find "$2/../.." \\( -type d -o -links 1 \\) -exec chown 65534 {} +',
      npmCache,
      own,
    );
    const { code, out, errors } = await run(["version"]);
    assertEquals([code, errors], [0, ""]);
    assertMatch(out, /^packkv \d/);
  },
);
