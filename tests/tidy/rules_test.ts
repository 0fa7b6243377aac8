import { assertEquals } from "@std/assert";
import { citationViolations, decisionViolations } from "./citations.ts";
import { ruleTest } from "./check_rule.ts";
import { codecQuestions } from "./codecs.ts";
import { componentViolations } from "./components.ts";
import { circleViolations, importsOf, importTableViolations, importViolations } from "./imports.ts";
import { deadFileViolations, fileLineViolations, twinViolations } from "./reach.ts";
import { folderViolations, nameViolations, sizeViolations } from "./size.ts";
import { brokenLineViolations, wordViolations } from "./words.ts";

const line = (count: number) => "  step();\n".repeat(count);
const config = JSON.stringify({ imports: { hono: "npm:hono", "@std/assert": "./src/core/a.ts" } });

const IMPORTS: [string, string, string, RegExp | null][] = [
  ["the scheduler importing the GPU", "src/scheduler/a.ts", "../gpu/gpu.ts", /scheduler sees only/],
  ["core importing anything", "src/core/a.ts", "../gguf/a.ts", /core sees only itself/],
  ["the tokenizer importing the engine", "src/tokenizer/a.ts", "../engine/a.ts", /sees only/],
  ["the server importing a kernel", "server/app.ts", "../src/kernels/a.ts", /server\/ may see/],
  ["the server importing a bench", "server/app.ts", "../bench/a.ts", /server\/ may see/],
  ["mod.ts importing the server", "mod.ts", "./server/app.ts", /mod\.ts may see/],
  ["src importing the server", "src/engine/a.ts", "../../server/app.ts", /table only/],
  ["src importing tests", "src/engine/a.ts", "../../tests/support/a.ts", /table only/],
  ["a folder outside the table", "src/other/a.ts", "../core/a.ts", /src\/other is not in/],
  ["a name outside the import map", "src/engine/a.ts", "lodash", /not a name of the import map/],
  ["a package by its address", "src/engine/a.ts", "npm:hono@4", /not a name of the import map/],
  ["assertions in the product", "src/engine/a.ts", "@std/assert", /assertions are for tests/],
];

for (const [state, path, specifier, expected] of IMPORTS) {
  const text = `import { a } from "${specifier}";\n`;
  ruleTest(`importViolations() finds ${state}`, [
    importViolations,
    { "deno.json": config, [path]: text },
    expected,
  ]);
}

ruleTest("importViolations() allows what the table and the import map name", [importViolations, {
  "deno.json": config,
  "src/kernels/a.ts": 'import t from "../../shaders/a.wgsl" with { type: "text" };\n' +
    'import { b } from "../gpu/b.ts";\nimport { c } from "./c.ts";\nimport "node:path";\n',
  "server/app.ts": 'import { Hono } from "hono";\nimport { cors } from "hono/cors";\n',
  "tests/a_test.ts": 'import { assert } from "@std/assert";\n',
  "src/core/b.ts": '/**\n * import { a } from "../gpu/a.ts";\n */\n',
}, null]);

Deno.test("importsOf() finds imports on several lines, dynamic ones, exports and workers", () => {
  const text = 'import {\n  a,\n  type B,\n} from "./a.ts";\nexport * from "../b.ts";\n' +
    'const c = await import("./c.ts");\nnew Worker(new URL("./d.ts", import.meta.url));\n';
  const paths = importsOf("src/x/y.ts", text).map(({ path }) => path);
  assertEquals(paths, ["src/x/a.ts", "src/b.ts", "src/x/c.ts", "src/x/d.ts"]);
});

const README_ROWS = "| `core/` | a | nothing |\n| `gpu/` | b | core |\n";
const TABLE = { core: [], gpu: ["core"] };

const TABLES: [string, string, Record<string, readonly string[]>, RegExp | null][] = [
  ["a folder that the README lacks", README_ROWS, { ...TABLE, model: [] }, /no row for model\//],
  ["a folder that only the README has", README_ROWS, { core: [] }, /gpu\/ is not a folder of/],
  ["other imports than the README's", README_ROWS, { core: [], gpu: [] }, /gpu\/ may import noth/],
  [
    "an import that leads up",
    "| `b/` | x | a |\n| `a/` | x | nothing |",
    { b: ["a"], a: [] },
    /is not above/,
  ],
  ["no fault in equal tables, in any order of names", README_ROWS, TABLE, null],
];

for (const [state, readme, table, expected] of TABLES) {
  ruleTest(`importTableViolations() finds ${state}`, [
    (sources) => importTableViolations(sources, table),
    { "src/README.md": readme },
    expected,
  ]);
}

ruleTest("circleViolations() finds files that import one another, types and workers too", [
  circleViolations,
  {
    "src/a/a.ts": 'import { b } from "./b.ts";',
    "src/a/b.ts": 'import type { C } from "./c.ts";',
    "src/a/c.ts": 'new Worker(new URL("./a.ts", import.meta.url));',
    "src/a/d.ts": 'import { a } from "./a.ts";',
  },
  /^src\/a\/a\.ts → src\/a\/b\.ts → src\/a\/c\.ts: import one another/,
]);

ruleTest("circleViolations() finds no fault in two ways to one file", [circleViolations, {
  "src/a/a.ts": 'import "./b.ts";\nimport "./c.ts";',
  "src/a/b.ts": 'import "./d.ts";',
  "src/a/c.ts": 'import "./d.ts";',
  "src/a/d.ts": "",
}, null]);

const folders = (lineCount: number) => ({
  ...Object.fromEntries(["b", "c", "d"].map((name) => [`src/${name}/x.ts`, "x;\n".repeat(100)])),
  "src/a/x.ts": "x;\n".repeat(lineCount),
});

ruleTest("folderViolations() finds a folder over a quarter", [
  folderViolations,
  folders(110),
  /^src\/a: 110 of 410 lines/,
]);
ruleTest("folderViolations() finds no fault in a quarter", [folderViolations, folders(100), null]);

const CITING: [string, string, RegExp | null][] = [
  ["a Markdown file that is not there", "/** See other.md. */", /cites other\.md, which is not/],
  ["a section that is not there", "// FORMAT.md section 3.9.", /cites section 3\.9 of src\/codec/],
  ["one of two sections", "/** FORMAT.md sections 3 and 4. */", /cites section 4 of/],
  ["a section on the next line", "/**\n * FORMAT.md\n * section 7\n */", /cites section 7 of/],
  ["a source that is not there", "// As in src/codec/b.ts.", /cites src\/codec\/b\.ts/],
  ["a name that no source has", "// Twin: other.wgsl", /cites other\.wgsl/],
  ["an end of a path that no source has", "// See codec/b.ts.", /cites codec\/b\.ts/],
  ["a decision that is not there", "// src/decisions/42 has the reasons.", /cites decision 42/],
  [
    "no fault in what is there, or is code",
    "// FORMAT.md sections 3 and 3.1; src/codec/a.ts; codec/a.ts; decisions/01.\nread('none.md');",
    null,
  ],
];

for (const [state, text, expected] of CITING) {
  ruleTest(`citationViolations() finds ${state}`, [citationViolations, {
    "src/codec/a.ts": text,
    "src/codec/FORMAT.md": "# F\n\n## 3. A\n\n### 3.1 B\n",
    "src/decisions/01_x.md": "# X\n",
  }, expected]);
}

ruleTest("decisionViolations() finds a number that is given twice", [decisionViolations, {
  "src/decisions/01_a.md": "# A\n",
  "src/decisions/02_b.md": "# B\n",
  "src/decisions/02_c.md": "# C\n",
}, /^src\/decisions\/02_c\.md: its number is another/]);

ruleTest("decisionViolations() finds no fault in a number for each", [decisionViolations, {
  "src/decisions/01_a.md": "# A\n",
  "src/decisions/02_b.md": "# B\n",
}, null]);

ruleTest("deadFileViolations() finds a module nobody imports", [deadFileViolations, {
  "mod.ts": 'export { a } from "./src/engine/a.ts";',
  "src/engine/a.ts": 'import "./b.ts";',
  "src/engine/b.ts": "",
  "src/engine/dead.ts": "",
}, /^src\/engine\/dead\.ts: dead/]);

ruleTest("deadFileViolations() finds a module only tests import", [deadFileViolations, {
  "src/engine/a.ts": "",
  "tests/engine/a_test.ts": 'import "../../src/engine/a.ts";',
}, /^src\/engine\/a\.ts/]);

ruleTest("deadFileViolations() finds a shader and a test helper nobody imports", [
  (sources) => deadFileViolations(sources).map((each) => each.split(":")[0]).slice(0, 1),
  { "shaders/lib/a.wgsl": "", "tests/support/b.ts": "" },
  /^shaders\/lib\/a\.wgsl$/,
]);

ruleTest("deadFileViolations() follows workers, texts and the import map", [deadFileViolations, {
  "deno.json": JSON.stringify({ imports: { "@std/x": "./src/core/std/x.ts" } }),
  "mod.ts": 'export { a } from "./src/engine/a.ts";',
  "src/engine/a.ts": 'new Worker(new URL("./w.ts", import.meta.url));\nimport "@std/x";',
  "src/engine/w.ts": 'import t from "../../shaders/t.wgsl" with { type: "text" };',
  "shaders/t.wgsl": "",
  "src/core/std/x.ts": "",
  "src/reference/r.ts": "",
  "tests/r_test.ts": 'import "../src/reference/r.ts";',
}, null]);

const TWINS = {
  "shaders/s/v.wgsl": "",
  "src/kernels/s/v.ts": "",
  "src/reference/s.ts": "",
  "tests/kernels/s_test.ts": "",
  "bench/kernels/s_bench.ts": "",
};

ruleTest("twinViolations() accepts the five files of a variant, shared texts and helpers", [
  twinViolations,
  { ...TWINS, "shaders/lib/t.wgsl": "", "src/kernels/s/op.ts": "", "src/kernels/text/t.ts": "" },
  null,
]);

for (const path of Object.keys(TWINS)) {
  ruleTest(`twinViolations() misses ${path}`, [
    twinViolations,
    {
      ...Object.fromEntries(Object.entries(TWINS).filter(([each]) => each !== path)),
      // A reference of the variant keeps it known if its shader is what is missing.
      ...(path.startsWith("shaders") ? { "src/reference/s/v.ts": "" } : {}),
    },
    new RegExp(`^${path}: missing`),
  ]);
}

ruleTest("fileLineViolations() finds a shader that names another file", [
  fileLineViolations,
  { "shaders/a/b.wgsl": "//: file shaders/a/b.wgsl\n", "shaders/a/c.wgsl": "// a/c\n" },
  /^shaders\/a\/c\.wgsl:1/,
]);

const STORES: [store: string, isFound: boolean][] = [
  ["groups[start + i / 4u].visits[place / 4u][place & 3u] = visit;", true],
  ["groups[i >> 2u][i & 3u] |= 1u << bit;", true],
  ["own[i >> 2u][i & 3u] = 1u;", false],
  ["groups[start].visits[0] = vec4<u32>(visit);", false],
  ["if (groups[i >> 2u][i & 3u] == 1u) {", false],
  ["let own = groups[i >> 2u][i & 3u];", false],
];

for (const [store, isFound] of STORES) {
  ruleTest(`componentViolations() ${isFound ? "finds" : "allows"} ${store}`, [componentViolations, {
    "shaders/a/b.wgsl": "@group(0) @binding(1) var<storage, read_write> groups: array<Group>;\n",
    "shaders/lib/c.wgsl": `fn f() {\n  ${store}\n}\n`,
  }, isFound ? /^shaders\/lib\/c\.wgsl:2: .*store one of them/ : null]);
}

ruleTest("twinViolations() finds a shader outside the folder of an operation", [
  twinViolations,
  { "shaders/s.wgsl": "" },
  /^shaders\/s\.wgsl: outside/,
]);

const LONG: [string, string, string, RegExp | null][] = [
  ["a file of 401 lines", "a.ts", "x;\n".repeat(401), /401 lines: split/],
  ["no fault in a file of 400 lines", "a.ts", "x;\n".repeat(400), null],
  ["a line of 101 columns", "a.wgsl", `${"x".repeat(101)}\n`, /a\.wgsl:1: 101 columns/],
  ["no fault in 100 columns of emoji", "a.ts", `${"😀".repeat(100)}\n`, null],
  ["a function of 71 lines", "a.ts", `function f() {\n${line(69)}}\n`, /71 lines in "function f/],
  ["no fault in a function of 70 lines", "a.ts", `function f() {\n${line(68)}}\n`, null],
  ["a long method", "a.ts", `class A {\n  async #m() {\n${line(70)}  }\n}\n`, /"async #m\(\)/],
  ["no fault in a long class", "a.ts", `class A {\n${"  a() {\n  }\n".repeat(60)}}\n`, null],
  ["no fault in a long table", "a.ts", `const T = {\n${line(90)}};\n`, null],
  ["a long callback", "a.ts", `Deno.test("x", () => {\n${line(70)}});\n`, /"Deno\.test/],
  [
    "a long function with parameters a line each",
    "a.ts",
    `function f(\n  a: A,\n): B {\n${line(70)}}\n`,
    /"function f\("/,
  ],
  ["a long function of a shader", "a.wgsl", `fn main() {\n${line(150)}}\n`, /"fn main/],
];

for (const [state, path, text, expected] of LONG) {
  ruleTest(`sizeViolations() finds ${state}`, [sizeViolations, { [path]: text }, expected]);
}

ruleTest("nameViolations() finds a name that is not snake_case", [
  nameViolations,
  { "src/core/ok_2.ts": "", "src/core/notOk.ts": "" },
  /^src\/core\/notOk\.ts/,
]);

const WORDS: [string, string, string, RegExp | null][] = [
  ["an unfinished place", "a.md", `${"TO"}${"DO"}: later`, /finish it/],
  ["no fault in a word that contains one", "a.ts", "const HACKNEYED = 1;", null],
  ["a registry's host", "a.json", ["https://registry", "npmjs", "org/x"].join("."), /registries/],
  ["a worker that is terminated", "a.ts", "this.#worker.terminate();", /may crash/],
  ["a shader's variable without a value", "a.wgsl", "  var sums: array<f32, 4>;", /to zero again/],
  ["no fault in one with a value", "a.wgsl", "  var sums = array<f32, 4>();", null],
  ["a switched-off check", "a.ts", `// @${"ts-ignore"}`, /mend the cause/],
  ["a lost type", "a.ts", `x ${"as"} any;`, /name the type/],
  ["the product reading shared files", "src/a.ts", '"../../../shared/x"', /without \.\.\/shared/],
  ["no fault in tests reading them", "tests/a.ts", '"../../shared/x"', null],
  ["a turn of speech in a guide", "server/docs/a.md", "`/props` tells it.", /report, show/],
  ["a turn of speech in a comment", "src/a.ts", "/** Whoever is last. */", /name the one/],
  ["a turn of speech behind code", "shaders/a.wgsl", "let a = 1; // read anew", /again/],
  ["a turn of speech in help", "server/cli/a.ts", 'help: "had better be 1"', /say what happens/],
  ["no fault in the name of a function", "src/a.ts", "this.#tell(told);", null],
  ["no fault in the comment of a test", "tests/a_test.ts", "// told", null],
];

for (const [state, path, text, expected] of WORDS) {
  ruleTest(`wordViolations() finds ${state}`, [wordViolations, { [path]: text }, expected]);
}

const SENTENCE = "The first line of a comment goes on for more than sixty characters, or";

ruleTest("brokenLineViolations() finds a word that an edit left alone", [
  brokenLineViolations,
  { "src/a.ts": `/**\n * ${SENTENCE}\n * the\n * next line is broken.\n */` },
  /^src\/a\.ts:3: "the"/,
]);

ruleTest("brokenLineViolations() finds no fault in a last word", [
  brokenLineViolations,
  { "src/a.ts": `/**\n * ${SENTENCE}\n * more.\n *\n * Another paragraph.\n */` },
  null,
]);

const QUESTIONS: [path: string, line: string, isFound: boolean][] = [
  ["src/model/a.ts", 'if (profile.name === "paper") pack();', true],
  ["src/model/a.ts", 'case "banded":', true],
  ["src/engine/a.ts", 'return "exact" !== name;', true],
  ["server/a.ts", "switch (codec.id) {", true],
  ["src/model/a.ts", "if (kernel instanceof AttentionDecodePaperKernel) {", true],
  ["src/runtime/a.ts", 'import { A } from "../codec/paper/a.ts";', true],
  ["src/scheduler/a.ts", 'if (item.kind === "raw") return;', false],
  ["server/cli/a.ts", '  "packkv eval --profile paper",', false],
  ["src/codec/paper/a.ts", 'if (profile.name === "paper") pack();', false],
  ["src/kvcache/codecs/registry.ts", "return deviceOf(codec.id);", false],
];

for (const [path, text, isFound] of QUESTIONS) {
  const claim = isFound ? "finds" : "allows";
  ruleTest(`codecQuestions() ${claim} ${text.trim()} in ${path}`, [
    codecQuestions,
    { [path]: `${text}\n` },
    isFound ? /:1: .*give the codec a member/ : null,
  ]);
}
