/** Runs of tests that a command starts, and what they did, by file. */

import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Tests that compile kernels by other compilers or by none. */
const WITHOUT_DEVICE: readonly string[] = ["limits_test.ts", "tint_test.ts", "text"];

/** What the tests of one file did. */
export interface FileResult {
  file: string;
  passedCount: number;
  failed: string[];
  /** Of a machine that others may have used. */
  seconds: number;
}

/** What a run did. */
export interface TestReport {
  passedCount: number;
  failedCount: number;
  files: FileResult[];
}

/** Files and folders of the tests that run kernels, below the root. */
export function kernelTests(): string[] {
  return [...Deno.readDirSync(`${ROOT}/tests/kernels`)].map(({ name }) => name)
    .filter((name) => !WITHOUT_DEVICE.includes(name)).sort()
    .map((name) => `tests/kernels/${name}`);
}

/**
 * Runs tests in a process of their own, which prints what they do.
 *
 * @param paths Files and folders below the root.
 * @param reportPath Where the process writes its report.
 * @throws If the report says another thing than the process.
 */
export async function runTests(
  paths: readonly string[],
  { env, reportPath }: { env: Readonly<Record<string, string>>; reportPath: string },
): Promise<TestReport> {
  const test = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", "--quiet", `--junit-path=${reportPath}`, ...paths],
    cwd: ROOT,
    env: { ...env },
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  });
  await Deno.remove(reportPath).catch(() => {});
  const { success } = await test.output();
  const files = readReport(await Deno.readTextFile(reportPath));
  const passedCount = files.reduce((sum, each) => sum + each.passedCount, 0);
  const failedCount = files.reduce((sum, each) => sum + each.failed.length, 0);
  if (success === (failedCount > 0)) {
    throw new Error(`${reportPath} does not fit what the run says`);
  }
  return { passedCount, failedCount, files };
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
