/** What the command for wide subgroups reads: reports of tests, and lists of packages. */

import { assertEquals } from "@std/assert";
import { sourcesOf } from "../../bench/wide_lanes/driver.ts";
import { readReport } from "../../bench/support/test_report.ts";

const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="4" failures="1" errors="0" time="1.540">
    <testsuite name="./tests/a_test.ts" tests="3" disabled="1" errors="0" failures="1">
        <testcase name="a &amp; b" classname="./tests/a_test.ts" time="0.600" line="1" col="6">
            <failure message="Uncaught Error: x">Error: x
    at a.ts:1:41</failure>
        </testcase>
        <testcase name="ignored" classname="./tests/a_test.ts" time="0.000" line="1" col="64">
            <skipped/>
        </testcase>
        <testcase name="good" classname="./tests/a_test.ts" time="0.900" line="1" col="108">
        </testcase>
    </testsuite>
    <testsuite name="./tests/b_test.ts" tests="1" disabled="0" errors="0" failures="0">
        <testcase name="good too" classname="./tests/b_test.ts" time="0.040" line="1" col="6">
        </testcase>
    </testsuite>
</testsuites>`;

Deno.test("readReport() tells what passed and what failed, by file", () => {
  assertEquals(readReport(REPORT), [
    { file: "tests/a_test.ts", passedCount: 1, failed: ["a & b"], seconds: 2 },
    { file: "tests/b_test.ts", passedCount: 1, failed: [], seconds: 0 },
  ]);
});

Deno.test("sourcesOf() makes lists of packages of both forms lists of their sources", () => {
  const list = "# deb of old\ndeb [arch=amd64] http://a.example/debian stable main\n";
  const sources = "# deb-src http://a.example/debian stable main\n";
  assertEquals(sourcesOf(list + sources), (list + sources).replace("\ndeb [", "\ndeb-src ["));
  const stanza = "Types: deb\nURIs: http://a.example/debian\nSuites: stable\n";
  assertEquals(sourcesOf(stanza), stanza.replace("Types: deb", "Types: deb-src"));
});
