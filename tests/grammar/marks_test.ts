/** Grammars of answers with thoughts before them, and with text around all calls. */

import { assertEquals } from "@std/assert";
import { grammarText } from "../../src/grammar/compile.ts";
import type { GrammarSpec } from "../../src/grammar/types.ts";
import { Matcher } from "./matcher.ts";

const JSON_SPEC = {
  type: "json_schema",
  schema: '{"type":"object","properties":{"a":{"const":1}},"required":["a"]}',
} as const;
const CALLS = {
  type: "tags",
  tags: [
    { begin: '{"f": ', schema: '{"const":1}', end: "}" },
    { begin: '{"g": ', schema: '{"const":2}', end: "}" },
  ],
  open: "<calls>[",
  separator: ", ",
  close: "]</calls>",
  isRepeated: true,
} as const;
const LONG = "a <b </thin </</think\né".repeat(200);

const CASES: { what: string; spec: GrammarSpec; good: string[]; bad: string[] }[] = [
  {
    what: "thoughts that have begun must end",
    spec: { ...JSON_SPEC, reasoning: { open: null, close: "</think>" } },
    good: ['</think>{"a":1}', 'so <</think>\n\n{"a":1}', `${LONG}</think>{"a":1}`],
    bad: ['{"a":1}', "so", 'so</think>{"a":2}', "so</think>"],
  },
  {
    what: "thoughts may come",
    spec: { ...JSON_SPEC, reasoning: { open: "<think>", close: "</think>" } },
    good: ['{"a":1}', '<think>\nso <</think>\n{"a":1}', `<think>${LONG}</think>{"a":1}`],
    bad: ["so", '<think>so{"a":1}', 'so</think>{"a":1}'],
  },
  {
    what: "calls stand in their marks",
    spec: { ...CALLS, trigger: null },
    good: ['<calls>[{"f": 1}]</calls>', '<calls>[{"f": 1}, {"g": 2}]</calls>'],
    bad: ['{"f": 1}', '<calls>[{"f": 2}]</calls>', '<calls>[{"f": 1}', "text"],
  },
  {
    what: "calls stand in their marks, behind text",
    spec: { ...CALLS, trigger: "<calls>" },
    good: ["text", 'text <call <calls>[{"f": 1}, {"g": 2}]</calls>'],
    bad: ["text <calls>", 'text <calls>[{"f": 2}]</calls>', 'text <calls>{"f": 1}'],
  },
];

Deno.test("grammars of marks accept what they say and nothing else", async () => {
  const matcher = new Matcher();
  try {
    for (const { what, spec, good, bad } of CASES) {
      const { text } = grammarText(spec);
      const accepted = await matcher.accepts(text, [...good, ...bad]);
      assertEquals({ what, accepted }, {
        what,
        accepted: [...good.map(() => true), ...bad.map(() => false)],
      });
    }
  } finally {
    matcher.end();
  }
});
