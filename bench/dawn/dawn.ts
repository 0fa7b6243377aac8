/**
 * Runs the kernel tests by Dawn on a driver that it accepts, compares texts and times with those of
 * the runtime's own WebGPU on the same driver (`texts.ts`), and writes what was found.
 *
 *     deno task dawn FILE.json [TESTS…]
 *
 * TESTS are files and folders below `tests/kernels`, such as `sample_test.ts`; all if left out.
 * The driver is the machine's own if Dawn accepts it, else one of Debian's backports (`driver.ts`).
 * Exits with 1 if a test failed or a text differs.
 */

import { fileURLToPath } from "node:url";
import { findAdapter } from "../../src/gpu/webgpu_source.ts";
import { TEST_WEBGPU_VARIABLE } from "../../tests/support/gpu.ts";
import { readReport } from "../wide_lanes/wide_lanes.ts";
import { type DriverEnvironment, newerMesa } from "./driver.ts";
import type { TextResult } from "./texts.ts";

const CACHE = fileURLToPath(new URL("../../.cache/dawn", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Tests that compile kernels by other compilers, by none, or in processes of their own. */
const WITHOUT_DEVICE = ["limits_test.ts", "tint_test.ts", "lanes_test.ts", "text"];

async function acceptedDriver(): Promise<DriverEnvironment> {
  const isAccepted = await findAdapter({ webgpu: "dawn" }).then(() => true, () => false);
  return isAccepted ? {} : await newerMesa(CACHE);
}

function allTests(): string[] {
  return [...Deno.readDirSync(`${ROOT}/tests/kernels`)].map(({ name }) => name)
    .filter((name) => !WITHOUT_DEVICE.includes(name)).sort();
}

async function runTests(environment: DriverEnvironment, names: readonly string[]) {
  const reportPath = `${CACHE}/report.xml`;
  await Deno.remove(reportPath).catch(() => {});
  const { success } = await deno(
    [
      ...["test", "-A", "--no-check", "--quiet", `--junit-path=${reportPath}`],
      ...names.map((name) => `tests/kernels/${name}`),
    ],
    { ...environment, [TEST_WEBGPU_VARIABLE]: "dawn" },
    "inherit",
  );
  const files = readReport(await Deno.readTextFile(reportPath));
  const failedCount = files.reduce((sum, each) => sum + each.failed.length, 0);
  if (success === (failedCount > 0)) throw new Error("the report of the tests does not fit");
  return {
    passedCount: files.reduce((sum, each) => sum + each.passedCount, 0),
    failedCount,
    files,
  };
}

async function compareTexts(environment: DriverEnvironment): Promise<TextResult[]> {
  const { success, stdout } = await deno(
    ["run", "-A", "bench/dawn/texts.ts"],
    environment,
    "piped",
  );
  if (!success) throw new Error("the comparison of texts failed");
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  return lines.map((line) => JSON.parse(line) as TextResult);
}

async function deno(
  args: readonly string[],
  env: DriverEnvironment,
  stdout: "inherit" | "piped",
): Promise<{ success: boolean; stdout: Uint8Array }> {
  const command = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    env: { ...env },
    stdin: "null",
    stdout,
    stderr: "inherit",
  });
  if (stdout === "piped") return await command.output();
  return { ...await command.spawn().status, stdout: new Uint8Array() };
}

if (import.meta.main) {
  const [path, ...names] = Deno.args;
  if (!path) {
    console.error("usage: deno task dawn FILE.json [TESTS…]");
    Deno.exit(2);
  }
  await Deno.mkdir(CACHE, { recursive: true });
  const environment = await acceptedDriver();
  const texts = await compareTexts(environment);
  for (const { name, isEqual, decodeMs } of texts) {
    const times = `${decodeMs.deno.toFixed(1)} and ${decodeMs.dawn.toFixed(1)} ms a token`;
    console.error(`${name}: ${isEqual ? "the same text" : "ANOTHER TEXT"}, ${times}`);
  }
  const tests = await runTests(environment, names.length > 0 ? names : allTests());
  console.error(`by Dawn: ${tests.passedCount} passed, ${tests.failedCount} failed`);
  const record = { command: "deno task dawn", deno: Deno.version.deno, texts, tests };
  await Deno.writeTextFile(path, `${JSON.stringify(record, null, 2)}\n`);
  Deno.exit(tests.failedCount > 0 || texts.some(({ isEqual }) => !isEqual) ? 1 : 0);
}
