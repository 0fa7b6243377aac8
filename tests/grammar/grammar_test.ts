/** Answers that must follow a grammar, on a tiny model that knows nothing. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Engine, EngineError, type GenerateRequest, type GrammarSpec } from "../../mod.ts";
import {
  collectIds,
  idleStats,
  sharedTinyEngine,
  tinyPrompt,
  withTinyEngine,
} from "../support/tiny_engine.ts";
import {
  TINY_BYTE_FIRST,
  TINY_MERGE_FIRST,
  TINY_MERGES,
  TINY_TOKEN_COUNT,
} from "../support/tiny_vocabulary.ts";

const engineOf = sharedTinyEngine({ model: { contextLength: 2048 }, sequenceCountMax: 4 });

const SCHEMA = {
  type: "object",
  properties: {
    name: { type: "string", maxLength: 6 },
    age: { type: "integer", minimum: 0, maximum: 99 },
    kind: { enum: ["a", "bé", null] },
    tags: { type: "array", items: { type: "boolean" }, minItems: 1, maxItems: 3 },
  },
  required: ["name", "age", "kind", "tags"],
  additionalProperties: false,
};

const grammarOf = (schema: object): GrammarSpec => {
  return { type: "json_schema", schema: JSON.stringify(schema) };
};

function textOf(ids: readonly number[]): string {
  const bytes = ids.flatMap((id) => {
    if (id < TINY_MERGE_FIRST) return [id - TINY_BYTE_FIRST];
    const merge: string | undefined = TINY_MERGES[id - TINY_MERGE_FIRST];
    const unused = `[unused${id - TINY_TOKEN_COUNT}]`;
    const text = merge?.replace(" ", "").replaceAll("Ġ", " ") ?? unused;
    return [...new TextEncoder().encode(text)];
  });
  return new TextDecoder().decode(Uint8Array.from(bytes));
}

const ask = (seed: number, schema: object = SCHEMA): GenerateRequest => ({
  promptIds: tinyPrompt(10 + seed, seed),
  maxTokens: 300,
  sampling: { temperature: 1, seed },
  grammar: grammarOf(schema),
});

// deno-lint-ignore no-explicit-any
async function valueOf(engine: Engine, request: GenerateRequest): Promise<any> {
  return JSON.parse(textOf(await collectIds(engine, request)));
}

Deno.test("generate() with a grammar gives values of its schema, alone and in company", async () => {
  const engine = engineOf();
  const free = { promptIds: tinyPrompt(30, 9), maxTokens: 60, ignoreEos: true };
  const together = await Promise.all([
    ...[1, 2, 3, 4, 5].map((seed) => collectIds(engine, ask(seed))),
    collectIds(engine, free),
  ]);
  for (const seed of [1, 2, 3, 4, 5]) {
    const ids = together[seed - 1];
    const { name, age, kind, tags } = JSON.parse(textOf(ids));
    assert(typeof name === "string" && [...name].length <= 6, name);
    assert(Number.isInteger(age) && age >= 0 && age <= 99, String(age));
    assert(["a", "bé", null].includes(kind), kind);
    assert(tags.length >= 1 && tags.length <= 3);
    assertEquals(ids, await collectIds(engine, ask(seed)), "company changes nothing");
  }
  assertEquals(together[5], await collectIds(engine, free));
  await idleStats(engine);
});

Deno.test("generate() follows several grammars at a time, more than there are workers", async () => {
  const engine = engineOf();
  const values = await Promise.all(
    Array.from({ length: 9 }, (_, i) => valueOf(engine, ask(i, { enum: [i, `v${i}`] }))),
  );
  values.forEach((value, i) => assert([i, `v${i}`].includes(value), String(value)));
});

const REFUSED: [string, object][] = [
  ["a keyword that would be ignored", { type: "array", uniqueItems: true }],
  ["a schema in a schema in a schema", JSON.parse('{"items":'.repeat(40) + "{}" + "}".repeat(40))],
  ["too many parts", { enum: Array.from({ length: 3000 }, (_, i) => i) }],
  ["a repetition without an end in sight", { type: "string", maxLength: 1e9 }],
  ["two rules for one string", { type: "string", maxLength: 5, format: "date" }],
  ["a pattern that looks back", { type: "string", pattern: "^(a|b)\\1$" }],

  ["an unknown type", { type: "objec" }],
  ["a reference to nowhere", { $ref: "#/nowhere" }],
  ["a range without a number", { type: "integer", minimum: 5, maximum: 1 }],
  ["a pattern it cannot read", { type: "string", pattern: "(?<=a)b" }],
];

const PATTERNS: [string, RegExp][] = [
  ["^[^a-z]{3,5}$", /^[^a-z]{3,5}$/u],
  ["^.{2}-\\d+x?$", /^.{2}-\d+x?$/u],
  ["^(?:ab|c[de])+$", /^(?:ab|c[de])+$/],
  ["^\\w\\.[0-9]$", /^\w\.[0-9]$/],
];

Deno.test("generate() gives strings of patterns and lengths that are whole JSON", async () => {
  const engine = engineOf();
  for (const [pattern, expected] of PATTERNS) {
    const values = await Promise.all(
      [1, 2, 3, 4].map((seed) => valueOf(engine, ask(seed, { type: "string", pattern }))),
    );
    for (const value of values) assert(expected.test(value), `${pattern}: ${value}`);
  }
  const sized = { type: "string", minLength: 4, maxLength: 7 };
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const value: string = await valueOf(engine, ask(seed, sized));
    assert([...value].length >= 4 && [...value].length <= 7, value);
  }
});

Deno.test("generate() refuses a grammar by name and goes on with others", async () => {
  const engine = engineOf();
  for (const [why, schema] of REFUSED) {
    const refused = () => collectIds(engine, ask(1, schema));
    const error = await assertRejects(refused, EngineError, "", why);
    assertEquals([error.code, error.param], ["invalid_request", "grammar"], why);
    assert(error.message.length > 40, error.message);
  }
  const grammar: GrammarSpec = { type: "json_schema", schema: "{" };
  const error = await assertRejects(
    () => collectIds(engine, { ...ask(1), grammar }),
    EngineError,
  );
  assert(error.message.includes("it is no JSON"), error.message);
  assertEquals(typeof (await valueOf(engine, ask(1))).age, "number");
});

Deno.test("aborting an answer that follows a grammar frees all, and the next one is right", () =>
  withTinyEngine({ sequenceCountMax: 1 }, async (engine) => {
    for (let round = 0; round < 3; round++) {
      const gone = new AbortController();
      const request = { ...ask(round), signal: gone.signal };
      await assertRejects(async () => {
        let count = 0;
        for await (const event of engine.generate(request)) {
          if (event.type === "token" && ++count === 2) gone.abort();
        }
      }, EngineError);
    }
    await idleStats(engine);
    assertEquals(typeof (await valueOf(engine, ask(4))).name, "string");
  }));

Deno.test("an answer that follows a grammar ends with it, also with ignoreEos", async () => {
  const engine = engineOf();
  const request = ask(1, { enum: ["a", "b"] });
  const ids = await collectIds(engine, request);
  assertEquals(await collectIds(engine, { ...request, ignoreEos: true }), ids);
});

Deno.test("a grammar that ends the library in a worker is refused with its reason, each time and to all who wait", () =>
  withTinyEngine({ sequenceCountMax: 4 }, async (engine) => {
    const schema = JSON.stringify({ type: "object" });
    const tag = { begin: "a", schema, end: "b" };
    // The library knows no text that is empty and triggers something.
    const broken: GrammarSpec = {
      type: "tags",
      tags: [tag],
      trigger: "",
      separator: "",
      isRepeated: true,
    };
    const reasonOf = async () => {
      const error = await assertRejects(
        () => collectIds(engine, { ...ask(1), grammar: broken }),
        EngineError,
      );
      return error.message;
    };
    const [first, second, value] = await Promise.all([
      reasonOf(),
      reasonOf(),
      valueOf(engine, ask(1, { enum: ["a", "b"] })),
    ]);
    const third = await reasonOf();
    for (const reason of [first, second, third]) {
      assert(reason.includes("must be a non-empty string"), reason);
    }
    assert(["a", "b"].includes(value));
  }));

Deno.test("generate() follows counts of hundreds at the pace of any other grammar", async () => {
  const engine = engineOf();
  const request = ask(3, { type: "string", minLength: 300, maxLength: 320 });
  const value: string = await valueOf(engine, { ...request, maxTokens: 1500 });
  assert([...value].length >= 300 && [...value].length <= 320, String([...value].length));
});
