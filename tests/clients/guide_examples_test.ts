/** The examples of the README and the guide run as they stand. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { startServer } from "../../server/serve.ts";
import { canRun } from "../../server/setup/debian.ts";
import { tokensOf } from "../support/fake_engine.ts";
import { EXAMPLE_URL, guideExamples } from "../support/guide_examples.ts";
import { harness } from "../server/harness.ts";

const CONFIG = new URL("../../deno.json", import.meta.url).pathname;
/** What the model says; also a JSON value, for whoever asks for one. */
const ANSWER = '"blue"';

/** Runs a program against a server that has the default model's name; what it said. */
async function run(command: (url: string) => Deno.Command): Promise<string> {
  const { app, state } = harness(() => tokensOf(ANSWER), {
    app: { modelId: "SmolLM2-135M-Instruct" },
  });
  const server = await startServer({ app, state, hostname: "127.0.0.1", port: 0, keyCount: 0 });
  try {
    const { code, stdout, stderr } = await command(server.url).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  } finally {
    await server.stop();
  }
}

for (const page of ["README.md", "server/docs/clients.md"]) {
  Deno.test(`the examples in JavaScript of ${page} run and print the answer`, async () => {
    const all = await guideExamples(page, "js");
    assert(all.length > 0);
    const path = await Deno.makeTempFile({ suffix: ".mjs" });
    try {
      for (const example of all) {
        const said = await run((url) => {
          Deno.writeTextFileSync(path, example.replace(EXAMPLE_URL, url));
          const args = ["run", "-A", "--no-check", "--config", CONFIG, path];
          return new Deno.Command(Deno.execPath(), { args });
        });
        assertStringIncludes(said, ANSWER, example);
      }
    } finally {
      await Deno.remove(path);
    }
  });

  Deno.test(`the examples for curl of ${page} get answers`, async () => {
    if (!await canRun(["curl"])) return console.log("no curl here: its examples are not run");
    const all = await guideExamples(page, "sh");
    assert(all.length > 0);
    for (const example of all) {
      const script = example.replaceAll("curl ", "curl -sS --fail-with-body ");
      const said = await run((url) => {
        const args = ["-ec", script.replaceAll(EXAMPLE_URL, url)];
        return new Deno.Command("sh", { args });
      });
      assertMatch(said, /"choices"|"tokens"|"stop_reason"|"embedding"/, example);
    }
  });
}
