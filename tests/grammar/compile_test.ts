/** Schemas made to cost: what is bounded, and what is left of them. */

import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import { grammarText } from "../../src/grammar/compile.ts";
import { SchemaRefusal } from "../../src/grammar/refusal.ts";
import { Matcher } from "./matcher.ts";
import { threadMs } from "../support/waiting.ts";

const nested = (open: string, close: string, depth: number) =>
  JSON.parse(open.repeat(depth) + "{}" + close.repeat(depth));
const anyOf = (count: number, make: (index: number) => object) => ({
  anyOf: Array.from({ length: count }, (_, index) => make(index)),
});
const needs = (name: string) => ({ type: "object", required: [name] });

/** Larger than a grammar may be; a schema that is not strict gives way to a wider one. */
const TOO_LARGE: [why: string, schema: object][] = [
  ["long", { type: "object", description: "x".repeat(70_000) }],
  ["deep in arrays", nested('{"items":', "}", 40)],
  ["deep in brackets", nested('{"default":[{"a":', "}]}", 150)],
  ["of many parts", { enum: Array.from({ length: 3000 }, (_, index) => index) }],
  ["of many properties", {
    type: "object",
    properties: Object.fromEntries(Array.from({ length: 2100 }, (_, index) => [`p${index}`, {}])),
  }],
  ["of many combinations", {
    type: "object",
    allOf: ["a", "b", "c"].map((name) => anyOf(17, (index) => needs(name + index))),
  }],
  ["of states of an automaton", {
    type: "string",
    allOf: [
      { pattern: "^(?:[ab]*a[ab]{12})$" },
      { pattern: "^(?:[ab]*b[ab]{11})$" },
    ],
  }],
  ["of a long pattern", { type: "string", pattern: "a".repeat(5000) }],
  ["of counts of members", {
    type: "object",
    properties: Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`p${index}`, {}])),
    minProperties: 90,
    maxProperties: 110,
  }],
];

for (const [why, schema] of TOO_LARGE) {
  Deno.test(`a schema too large (${why}) is refused if it is strict, else widened, in seconds`, async () => {
    const spec = { type: "json_schema" as const, schema: JSON.stringify(schema) };
    const startMs = threadMs();
    const error = assertThrows(() => grammarText({ ...spec, isStrict: true }), SchemaRefusal);
    assert(/^Cannot follow the schema at \/\S*: ./.test(error.message), error.message);
    const { text, weakenings } = grammarText({ ...spec, isStrict: false });
    assert(weakenings.length > 0);
    assertLess(threadMs() - startMs, 20_000);
    const matcher = new Matcher();
    try {
      const some = ['{"a0":1,"b0":2,"c0":3}', "[]", "7", '"abababababababa"'];
      const accepted = await matcher.accepts(text, some);
      assert(accepted.includes(true), accepted.join());
    } finally {
      matcher.end();
    }
  });
}

/** Nothing satisfies them, which only shows when all is put together. */
const IMPOSSIBLE: [why: string, schema: object][] = [
  ["types that exclude each other", { allOf: [{ type: "string" }, { type: "integer" }] }],
  ["an enum of another type", { type: "string", enum: [1, 2] }],
  ["a required member that must not come", {
    type: "object",
    properties: { a: false },
    required: ["a"],
  }],
  ["an object that needs itself", {
    type: "object",
    properties: { a: { $ref: "#" } },
    required: ["a"],
  }],
  ["patterns that exclude each other", {
    type: "string",
    allOf: [{ pattern: "^a$" }, { pattern: "^b$" }],
  }],
  ["no whole number between", { type: "integer", exclusiveMinimum: 1, exclusiveMaximum: 2 }],
  ["an item that must not come", { type: "array", items: false, minItems: 1 }],
  ["more required members than there may be", {
    type: "object",
    required: ["a", "b"],
    maxProperties: 1,
  }],
];

for (const [why, schema] of IMPOSSIBLE) {
  Deno.test(`a schema that nothing satisfies (${why}) is refused, or gives way to any object`, () => {
    const spec = { type: "json_schema" as const, schema: JSON.stringify(schema) };
    const error = assertThrows(() => grammarText(spec), SchemaRefusal);
    assert(error.message.includes("no value can satisfy it"), error.message);
    const { weakenings } = grammarText({ ...spec, isStrict: false });
    assertEquals(weakenings.map(({ state }) => state), ["no value can satisfy it"]);
  });
}

Deno.test("one odd schema among others leaves the others as they are", async () => {
  const tag = (name: string, schema: object) => ({
    name,
    begin: `<${name}>`,
    schema: JSON.stringify(schema),
    isStrict: false,
    end: "</>",
  });
  const number = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
  const tags = [tag("a", { type: "string", enum: [1] }), tag("b", number)];
  const { text } = grammarText({
    type: "tags",
    tags,
    trigger: null,
    separator: "",
    isRepeated: true,
  });
  const texts = ['<a>{"x":[1]}</><b>{"n":1}</>', '<b>{"n":"1"}</>', '<a>"x"</>'];
  const matcher = new Matcher();
  try {
    assertEquals(await matcher.accepts(text, texts), [true, false, false]);
  } finally {
    matcher.end();
  }
  const strict = { ...tags[0], isStrict: true };
  const spec = { type: "tags" as const, tags: [tags[1], strict] };
  const refused = () => grammarText({ ...spec, trigger: "<", separator: "", isRepeated: false });
  assert(assertThrows(refused, SchemaRefusal).message.startsWith("Cannot follow the schema of a "));
});
