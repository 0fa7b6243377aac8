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
import { CHANGES, wideDriver } from "./driver.ts";

const CACHE = fileURLToPath(new URL("../../.cache/wide-lanes", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Tests that compile kernels by other compilers or by none. */
const WITHOUT_DEVICE = ["limits_test.ts", "tint_test.ts", "text"];

/** Finds the size of subgroups. */
const PROBE_TEST = "tests/gpu/device_probe_test.ts";

/** What the tests of one file did. */
export interface FileResult {
  file: string;
  passedCount: number;
  failed: string[];
  /** Of a machine that others may have used. */
  seconds: number;
}

/** Runs the tests of kernels with subgroups of `laneCount` lanes. */
async function runTests(laneCount: number, manifest: string): Promise<FileResult[]> {
  const reportPath = `${CACHE}/report-${laneCount}.xml`;
  const shaderCache = `${CACHE}/shaders-${laneCount}`;
  await Deno.mkdir(shaderCache, { recursive: true });
  const kernels = [...Deno.readDirSync(`${ROOT}/tests/kernels`)].map(({ name }) => name)
    .filter((name) => !WITHOUT_DEVICE.includes(name)).sort();
  const files = [...kernels.map((name) => `tests/kernels/${name}`), PROBE_TEST];
  const test = new Deno.Command(Deno.execPath(), {
    args: [
      ...["test", "-A", "--no-check", "--quiet", `--junit-path=${reportPath}`],
      ...files,
    ],
    cwd: ROOT,
    env: {
      VK_DRIVER_FILES: manifest,
      VK_ICD_FILENAMES: manifest,
      LP_NATIVE_VECTOR_WIDTH: String(32 * laneCount),
      MESA_SHADER_CACHE_DIR: shaderCache,
      [WIDTH_VARIABLE]: String(laneCount),
    },
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  });
  await Deno.remove(reportPath).catch(() => {});
  const { success } = await test.output();
  const results = readReport(await Deno.readTextFile(reportPath));
  const hasFailed = results.some(({ failed }) => failed.length > 0);
  if (success === hasFailed) throw new Error(`the report of ${laneCount} lanes does not fit`);
  return results;
}

/** Results by file of a report in JUnit's form, in which steps count as tests. */
export function readReport(xml: string): FileResult[] {
  return [...xml.matchAll(/<testsuite name="([^"]*)"[^>]*>(.*?)<\/testsuite>/gs)].map(
    ([, name, body]) => {
      const cases = [
        ...body.matchAll(
          /<testcase name="([^"]*)"[^>]*?time="([\d.]+)"[^>]*?(?:\/>|>(.*?)<\/testcase>)/gs,
        ),
      ];
      const failed = cases.filter(([, , , inner = ""]) => /<(failure|error)\b/.test(inner));
      const ignoredCount = cases.filter(([, , , inner = ""]) => inner.includes("<skipped")).length;
      return {
        file: name.replace(/^\.\//, ""),
        passedCount: cases.length - failed.length - ignoredCount,
        failed: failed.map(([, test]) => unescaped(test)),
        seconds: Math.round(cases.reduce((sum, [, , time]) => sum + Number(time), 0)),
      };
    },
  );
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&amp;": "&",
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&apos;": "'",
};

function unescaped(text: string): string {
  return text.replaceAll(/&(amp|lt|gt|quot|apos);/g, (entity) => ENTITIES[entity]);
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
    const files = await runTests(laneCount, manifest);
    const passedCount = files.reduce((sum, each) => sum + each.passedCount, 0);
    const failedCount = files.reduce((sum, each) => sum + each.failed.length, 0);
    console.error(`${laneCount} lanes: ${passedCount} passed, ${failedCount} failed`);
    runs.push({ laneCount, passedCount, failedCount, files });
  }
  const record = { driver: `Mesa ${version}`, changes: CHANGES, deno: Deno.version.deno, runs };
  await Deno.writeTextFile(path, `${JSON.stringify(record, null, 2)}\n`);
  Deno.exit(runs.some(({ failedCount }) => failedCount > 0) ? 1 : 0);
}
