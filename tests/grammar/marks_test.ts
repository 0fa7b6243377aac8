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
const MEMBERS = {
  beforeKey: "<parameter=",
  behindKey: ">",
  beforeValue: "",
  behindValue: "</parameter>",
  closings: ["</tool_call>"],
};
const MARKED = {
  type: "tags",
  tags: [{
    begin: "<function=f>",
    schema: JSON.stringify({
      type: "object",
      properties: {
        path: { type: "string" },
        line: { type: "integer", minimum: 1 },
        mode: { enum: ["r", "w"] },
        all: { type: "boolean" },
        parts: { type: "array", items: { $ref: "#/$defs/part" } },
        odd: { type: "integer", minimum: 2, maximum: 1 },
      },
      required: ["path", "line"],
      additionalProperties: false,
      $defs: { part: { type: "string" } },
    }),
    end: "</function>",
    members: MEMBERS,
  }],
  trigger: "<function=",
  separator: "",
  isRepeated: false,
} as const;
const path = "<parameter=path>\na </b> <parameter=x>\n</parameter>\n";
const line = "<parameter=line>\n12\n</parameter>\n";
const inFunction = (body: string) => `so\n<tool_call>\n<function=f>\n${body}</function>`;
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
    what: "calls, or a value in their place",
    spec: { ...CALLS, trigger: null, otherwise: JSON_SPEC },
    good: ['{"a":1}', '<calls>[{"f": 1}]</calls>'],
    bad: ['{"a":2}', '{"a":1}<calls>[{"f": 1}]</calls>', '<calls>[{"a":1}]</calls>', "so"],
  },
  {
    what: "calls stand in their marks, behind text",
    spec: { ...CALLS, trigger: "<calls>" },
    good: ["text", 'text <call <calls>[{"f": 1}, {"g": 2}]</calls>'],
    bad: ["text <calls>", 'text <calls>[{"f": 2}]</calls>', 'text <calls>{"f": 1}'],
  },
  {
    what: "arguments in marks follow their schemas, strings as they are, in the schema's order",
    spec: MARKED,
    good: [
      "text with </function>",
      inFunction(path + line),
      `${inFunction(path + line)}\n</tool_call>`,
      inFunction(`${path}${line}<parameter=mode>r</parameter><parameter=all>True</parameter>`),
      inFunction(`${path}${line}<parameter=parts>["a"]</parameter>`),
      // No value can satisfy it, so it may be any text.
      inFunction(`${path}${line}<parameter=odd>1</parameter>`),
    ],
    bad: [
      "text <function=g>",
      inFunction(path),
      inFunction(line + path),
      inFunction(path + line.replace("12", "0")),
      inFunction(path + line.replace("12", "twelve")),
      inFunction(`${path}${line}<parameter=mode>x</parameter>`),
      inFunction(`${path}${line}<parameter=other>x</parameter>`),
      inFunction(`${path}${line}<parameter=parts>[1]</parameter>`),
      `${inFunction(path + line)} and more`,
    ],
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
