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

/** Messages as gpt-oss writes them. */
const MESSAGES = {
  type: "messages",
  headers: ["<c>analysis<m>", "<c>final<m>"],
  end: "<e>",
  start: "<s>",
  tags: [{
    begin: " to=f<c>commentary<m>",
    otherBegins: ["<c>commentary to=f<m>"],
    schema: '{"const":1}',
    end: "",
  }],
} as const;

const schemaOf = (properties: object, required: string[]) =>
  JSON.stringify({ type: "object", properties, required });
const LINES = {
  type: "array",
  items: { type: "object", properties: { line: { type: "integer" } }, required: ["line"] },
};

/** Elements in elements, as MiniMax M3 writes them. */
const ELEMENTS = {
  type: "tags",
  tags: [{
    begin: '|<invoke name="f">',
    schema: schemaOf({ city: { type: "string" }, days: { type: "integer" }, parts: LINES }, [
      "city",
    ]),
    end: "|</invoke>",
    members: {
      beforeKey: "|<",
      behindKey: ">",
      beforeValue: "",
      behindValue: "|</{key}>",
      closings: ["|</calls>"],
    },
  }],
  trigger: '|<invoke name="',
  separator: "",
  isRepeated: false,
} as const;
const invoke = (body: string) => `so |<calls>|<invoke name="f">${body}|</invoke>`;
const city = "|<city>a </b> | c|</city>";
const lines = (value: string) => `|<parts>|<item>|<line>${value}|</line>|</item>|</parts>`;

/** Attributes behind names, as Kimi K3 writes them. */
const ATTRIBUTES = {
  type: "tags",
  tags: [{
    begin: '<o>call tool="f"',
    behindAttributes: "<s>",
    schema: schemaOf({ days: { type: "integer" } }, ["days"]),
    end: "<e>call<s>",
    members: {
      beforeKey: '<o>argument key="',
      behindKey: "<s>",
      beforeValue: "",
      behindValue: "<e>argument<s>",
      closings: [],
    },
  }],
  trigger: '<o>call tool="',
  separator: "",
  isRepeated: true,
} as const;
const call = (name: string, days: string) =>
  `so<o>call tool="${name}" index="1"<s><o>argument key="days" type="number"<s>${days}` +
  "<e>argument<s><e>call<s>";

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
  {
    what: "other names are none of those that the schema lists, and hold any text",
    spec: {
      ...MARKED,
      tags: [{
        ...MARKED.tags[0],
        schema: schemaOf({ line: { type: "integer" }, lines: { type: "integer" } }, []),
      }],
    },
    good: ["line1", "l", "linest", "other"].map((name) =>
      inFunction(`<parameter=${name}>\nany</parameter>`)
    ),
    bad: ["line", "lines", ""].map((name) => inFunction(`<parameter=${name}>\nany</parameter>`)),
  },
  {
    what: "messages have known headers, and one to a function holds its arguments",
    spec: MESSAGES,
    good: [
      "<c>final<m>text",
      "<c>final<m>text<e>",
      "<c>final<m>",
      " to=f<c>commentary<m>1",
      "<c>commentary to=f<m>1",
      "<c>analysis<m>say to=f<c>commentary<m> or <e><s> to=f<c>commentary<m>1",
      `<c>analysis<m>${LONG}<e><s><c>analysis<m>b<e><s><c>final<m>${LONG}`,
    ],
    bad: [
      "text",
      "<c>other<m>text",
      " to=g<c>commentary<m>1",
      "<c>analysis<m>a<e><s> to=f<c>commentary<m>2",
      "<c>analysis<m>a<e> to=f<c>commentary<m>1",
      " to=f<c>commentary<m>1 and more",
    ],
  },
  {
    what: "elements follow the schemas of objects and lists, what these do not list is any element",
    spec: ELEMENTS,
    good: [
      "so",
      invoke(city),
      `${invoke(`${city}|<days>2|</days>\n${lines("3")}`)}\n|</calls>`,
      invoke(`${city}|<parts>|</parts>`),
      invoke(`${city}|<more>|<a>1.5|</a>\n|<b>|<item>true|</item>|<item>c|</item>|</b>|</more>`),
    ],
    bad: [
      invoke(""),
      invoke("|<city>a|</days>"),
      invoke(`${city}|<days>two|</days>`),
      invoke(city + lines("x")),
      invoke(`${city}|<parts>|<item>|</item>|</parts>`),
      invoke(`${city}|<more>|<a>1.5|</more>`),
      `${invoke(city)} and more`,
    ],
  },
  {
    what: "attributes may stand behind the names of functions and arguments",
    spec: ATTRIBUTES,
    good: ["so", call("f", "2"), `${call("f", "2")}\n${call("f", "3")} so`],
    bad: [call("g", "2"), call("f", "two"), 'so<o>call tool="f" index="1"<s><e>call<s>'],
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
