/**
 * Runs the kernel tests with subgroups of 32 and 64 lanes, as NVIDIA's and AMD's GPUs have, on a
 * software driver that is built for it (see `driver.ts`), and writes how many passed, by file.
 *
 *     deno task wide-lanes FILE.json [LANES…]
 *
 * LANES are 32 and 64 if left out. Exits with 1 if a test failed.
 */

import { fileURLToPath } from "node:url";
import { WIDTH_VARIABLE } from "../../tests/support/subgroup_process.ts";
import { kernelTests, runTests, type TestReport } from "../support/test_report.ts";
import { CHANGES, wideDriver } from "./driver.ts";

const CACHE = fileURLToPath(new URL("../../.cache/wide-lanes", import.meta.url));

/** Finds the size of subgroups. */
const PROBE_TEST = "tests/gpu/device_probe_test.ts";

/** Runs the tests of kernels with subgroups of `laneCount` lanes. */
async function runWith(laneCount: number, manifest: string): Promise<TestReport> {
  const shaderCache = `${CACHE}/shaders-${laneCount}`;
  await Deno.mkdir(shaderCache, { recursive: true });
  return await runTests([...kernelTests(), PROBE_TEST], {
    reportPath: `${CACHE}/report-${laneCount}.xml`,
    env: {
      VK_DRIVER_FILES: manifest,
      VK_ICD_FILENAMES: manifest,
      LP_NATIVE_VECTOR_WIDTH: String(32 * laneCount),
      MESA_SHADER_CACHE_DIR: shaderCache,
      [WIDTH_VARIABLE]: String(laneCount),
    },
  });
}

if (import.meta.main) {
  const [path, ...lanes] = Deno.args;
  const laneCounts = lanes.length > 0 ? lanes.map(Number) : [32, 64];
  if (!path || laneCounts.some((count) => ![32, 64].includes(count))) {
    console.error("usage: deno task wide-lanes FILE.json [32] [64]");
    Deno.exit(2);
  }
  const { manifest, version } = await wideDriver(CACHE);
  const runs = [];
  for (const laneCount of laneCounts) {
    const report = await runWith(laneCount, manifest);
    const { passedCount, failedCount } = report;
    console.error(`${laneCount} lanes: ${passedCount} passed, ${failedCount} failed`);
    runs.push({ laneCount, ...report });
  }
  const record = { driver: `Mesa ${version}`, changes: CHANGES, deno: Deno.version.deno, runs };
  await Deno.writeTextFile(path, `${JSON.stringify(record, null, 2)}\n`);
  Deno.exit(runs.some(({ failedCount }) => failedCount > 0) ? 1 : 0);
}
