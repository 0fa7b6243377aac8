import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { writeTinyModel } from "../support/tiny_model.ts";

const MAIN = fileURLToPath(new URL("../../server/main.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));
const RUN = ["run", "-A", "--config", CONFIG, MAIN];

/** Runs a command into a reader; its exit code and, if it is not piped too, its stderr. */
async function piped(
  args: readonly string[],
  { reader, redirect = "" }: { reader: string; redirect?: string },
): Promise<{ code: number; errors: string }> {
  const line =
    `code=$( { { "$@" ${redirect} 4>&-; echo $? >&4; } | ${reader} >&2; } 4>&1 ); echo "$code"`;
  const { stdout, stderr } = await new Deno.Command("/bin/sh", {
    args: ["-c", line, "sh", Deno.execPath(), ...RUN, ...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const [code, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code: Number(code.trim()), errors };
}

/** Reads nothing and goes before anything comes. */
const GONE = "true";

function pipeTest(claim: string, fn: () => Promise<void>): void {
  Deno.test({ name: `packkv ${claim}`, ignore: Deno.build.os === "windows", fn });
}

async function withTinyModel(work: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempFile({ suffix: ".gguf" });
  try {
    await writeTinyModel(path);
    await work(path);
  } finally {
    await Deno.remove(path);
  }
}

function runArguments(model: string): string[] {
  const flags = ["--model", model, "--profile", "exact", "--raw", "--temperature", "0"];
  return ["run", ...flags, "--max-tokens", "400", "a"];
}

pipeTest(
  "run ends in silence with 141 once nobody reads its answer",
  () =>
    withTinyModel(async (model) => {
      const { code, errors } = await piped(runArguments(model), { reader: "head -c 5" });
      assertEquals(code, 141);
      assertEquals(/BrokenPipe|Broken pipe|\bat (ext|file):/.test(errors), false, errors);
    }),
);

pipeTest(
  "run ends in silence where nobody reads its messages either",
  () =>
    withTinyModel(async (model) => {
      const gone = { reader: GONE, redirect: "2>&1" };
      assertEquals((await piped(runArguments(model), gone)).code, 141);
    }),
);

for (
  const line of ["help", "version", "doctor", "completion bash", "serve --help", "test --help"]
) {
  pipeTest(`${line} ends in silence where nobody reads it`, async () => {
    const { code, errors } = await piped(line.split(" "), { reader: GONE });
    assertEquals([[0, 141].includes(code), errors], [true, ""], `${code}`);
  });
}

pipeTest("test ends its tests once nobody reads them", async () => {
  const { code, errors } = await piped(["test", "tests/tidy"], { reader: "head -c 5" });
  assertEquals(code, 141);
  assertEquals(/BrokenPipe|\bat (ext|file):/.test(errors), false, errors);
});
