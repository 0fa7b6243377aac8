/**
 * Clients in Python: OpenAI's and Anthropic's own, and schemathesis, which makes requests from the
 * document. They are required where `CI` is set; elsewhere a machine without Python says so.
 */

import { assertEquals } from "@std/assert";
import { startServer } from "../../server/serve.ts";
import { EngineError } from "../../src/core/errors.ts";
import { FAKE_TOKENIZER, type FakeScript, tokensOf } from "../support/fake_engine.ts";
import { EXAMPLE_URL, guideExamples } from "../support/guide_examples.ts";
import { harness } from "../server/harness.ts";
import { hasPythonPackages, PYTHON_FOLDER } from "./python_packages.ts";

/** Longest time schemathesis makes requests. */
const FUZZ_SECONDS = 45;

/** Answers as a model would that follows what is asked. */
const script: FakeScript = ({ grammar, promptIds }) => {
  const prompt = FAKE_TOKENIZER.detokenize(promptIds);
  if (prompt.includes("]full[")) return [new EngineError("queue_full", "Cannot queue: full")];
  if (grammar?.type === "json_schema") return tokensOf('{"name":"Ann","age":7}');
  if (grammar?.type === "tags") {
    return tokensOf('<tool_call>\n{"name": "weather", "arguments": {"city":"Bonn"}}\n</tool_call>');
  }
  return tokensOf("hello");
};

async function runPython(
  args: readonly string[],
  apiKeys: string[],
): Promise<{ code: number; output: string }> {
  const context = harness(script, { app: { apiKeys }, info: { contextLength: 4000 } });
  const { app, state } = context;
  const keyCount = apiKeys.length;
  const server = await startServer({ app, state, hostname: "127.0.0.1", port: 0, keyCount });
  try {
    const { code, stdout, stderr } = await new Deno.Command("python3", {
      args: args.map((arg) => arg.replace("URL", server.url)),
      cwd: PYTHON_FOLDER, // schemathesis leaves files behind
      env: {
        BASE_URL: `${server.url}/v1`,
        PYTHONPATH: PYTHON_FOLDER,
        PYTHONDONTWRITEBYTECODE: "1",
      },
    }).output();
    const text = new TextDecoder();
    return { code, output: text.decode(stdout) + text.decode(stderr) };
  } finally {
    await server.stop();
  }
}

Deno.test("the Python openai client accepts every answer with strict validation", async () => {
  if (!await hasPythonPackages()) return;
  const path = new URL("./openai_client.py", import.meta.url).pathname;
  const { code, output } = await runPython([path], ["secret"]);
  assertEquals(code, 0, output);
  assertEquals(output.match(/^ok /gm)?.length, 8);
});

Deno.test("Anthropic's Python client accepts every answer with strict validation", async () => {
  if (!await hasPythonPackages()) return;
  const path = new URL("./anthropic_client.py", import.meta.url).pathname;
  const { code, output } = await runPython([path], ["secret"]);
  assertEquals(code, 0, output);
  assertEquals(output.match(/^ok /gm)?.length, 6);
});

Deno.test("the guide's example in Python prints the answer", async () => {
  if (!await hasPythonPackages()) return;
  const [example] = await guideExamples("server/docs/clients.md", "python");
  const asked = example.replace(EXAMPLE_URL, "URL").replace("SmolLM2-135M-Instruct", "fake");
  assertEquals(await runPython(["-c", asked], []), { code: 0, output: "hello\n" });
});

Deno.test("schemathesis finds neither a 5xx, nor a status or a body that is not documented", async () => {
  if (!await hasPythonPackages()) return;
  const checks = "not_a_server_error,status_code_conformance,content_type_conformance," +
    "response_schema_conformance";
  const { code, output } = await runPython([
    "-c",
    "from schemathesis.cli import schemathesis; schemathesis()",
    "run",
    "URL/openapi.json",
    `--checks=${checks}`,
    `--max-time=${FUZZ_SECONDS}`,
    "--phases=examples,coverage,fuzzing",
    "--suppress-health-check=all",
    "--seed=1",
    "--warnings=off",
  ], []);
  assertEquals(code, 0, output.slice(-6000));
});
