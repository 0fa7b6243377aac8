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
import { kernelTests, runTests } from "../support/test_report.ts";
import { type DriverEnvironment, newerMesa } from "./driver.ts";
import type { TextResult } from "./texts.ts";

const CACHE = fileURLToPath(new URL("../../.cache/dawn", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** It runs itself again in processes with other drivers. */
const WITH_OWN_DRIVERS = "tests/kernels/lanes_test.ts";

async function acceptedDriver(): Promise<DriverEnvironment> {
  const isAccepted = await findAdapter({ webgpu: "dawn" }).then(() => true, () => false);
  return isAccepted ? {} : await newerMesa(CACHE);
}

async function compareTexts(environment: DriverEnvironment): Promise<TextResult[]> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "bench/dawn/texts.ts"],
    cwd: ROOT,
    env: { ...environment },
    stdin: "null",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("the comparison of texts failed");
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  return lines.map((line) => JSON.parse(line) as TextResult);
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
  const paths = names.length > 0
    ? names.map((name) => `tests/kernels/${name}`)
    : kernelTests().filter((path) => path !== WITH_OWN_DRIVERS);
  const tests = await runTests(paths, {
    env: { ...environment, [TEST_WEBGPU_VARIABLE]: "dawn" },
    reportPath: `${CACHE}/report.xml`,
  });
  console.error(`by Dawn: ${tests.passedCount} passed, ${tests.failedCount} failed`);
  const record = { command: "deno task dawn", deno: Deno.version.deno, texts, tests };
  await Deno.writeTextFile(path, `${JSON.stringify(record, null, 2)}\n`);
  Deno.exit(tests.failedCount > 0 || texts.some(({ isEqual }) => !isEqual) ? 1 : 0);
}
