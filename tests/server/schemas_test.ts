/** Schemas of answers and tools over a real socket, on a tiny model that knows nothing. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import Ajv2020 from "ajv/dist/2020.js";
import { type ServeProcess, startServe } from "../support/serve_process.ts";
import { withTinyModel } from "../support/tiny_engine.ts";

const SEEDS = [1, 2, 3, 4, 5, 6];
const ajv = new Ajv2020.default({ strict: false, validateFormats: false });

function withServer(body: (server: ServeProcess) => Promise<void>): Promise<void> {
  return withTinyModel({ contextLength: 4096 }, async (model) => {
    const flags = ["--profile", "paper", "--log", "off", "--sequences", "6"];
    const server = await startServe(["--model", model, ...flags]);
    try {
      await body(server);
    } finally {
      await server.end("SIGINT");
    }
  });
}

// deno-lint-ignore no-explicit-any
async function ask({ url }: ServeProcess, fields: object): Promise<{ status: number; body: any }> {
  const response = await fetch(new URL("/v1/chat/completions", url), {
    method: "POST",
    body: JSON.stringify({
      messages: [{ role: "user", content: "hi" }],
      max_tokens: 400,
      temperature: 1,
      ...fields,
    }),
  });
  return { status: response.status, body: await response.json() };
}

const formatOf = (schema: object, strict = true) => ({
  response_format: { type: "json_schema", json_schema: { name: "data", schema, strict } },
});

const digit = { type: "integer", minimum: 0, maximum: 9 };

/** Schemas whose values end by themselves, with what was wrong about their answers. */
const ANSWERS: [why: string, schema: object][] = [
  ["alternatives of a pattern", {
    type: "object",
    properties: { channel: { type: "string", pattern: "^latest$|^stable$" } },
    required: ["channel"],
  }],
  ["an empty alternative of a pattern", { type: "string", pattern: "^$|^x$" }],
  ["properties beside anyOf", {
    type: "object",
    properties: { a: digit, b: digit },
    anyOf: [{ required: ["a"] }, { required: ["b"] }],
  }],
  ["required names without properties", {
    type: "object",
    required: ["a"],
    additionalProperties: digit,
    maxProperties: 2,
  }],
  ["an enum and a range", { type: "integer", enum: [1, 50], minimum: 0, maximum: 10 }],
  ["an enum and a pattern", { type: "string", enum: ["ab", "cd"], pattern: "^c" }],
  ["counted characters", { type: "string", minLength: 6, maxLength: 8 }],
  ["a negated class", { type: "string", pattern: "^[^x]{5}$" }],
  ["an array of anything", { type: "array", minItems: 1, maxItems: 1, items: { enum: [[], {}] } }],
  ["a share", { type: "number", minimum: 0.5, maximum: 1, multipleOf: 0.001 }],
  ["a port", { type: "integer", minimum: 1, maximum: 65535 }],
  ["a reference into a list", {
    type: "array",
    prefixItems: [digit, { $ref: "#/prefixItems/0" }],
    items: false,
    minItems: 2,
  }],
  ["names with signs", {
    type: "object",
    properties: { 'a"b': digit, "c\nd": digit, "e\\f": digit },
    required: ['a"b', "c\nd", "e\\f"],
  }],
];

Deno.test("answers are values of schemas that the library's own converter gets wrong", () =>
  withServer(async (server) => {
    for (const [why, schema] of ANSWERS) {
      const validate = ajv.compile(schema);
      await Promise.all(SEEDS.map(async (seed) => {
        const { status, body } = await ask(server, { ...formatOf(schema), seed });
        assertEquals(status, 200, `${why}: ${JSON.stringify(body)}`);
        const [{ message, finish_reason }] = body.choices;
        const shown = `${why}: ${message.content}`;
        assertEquals(finish_reason, "stop", shown);
        assert(validate(JSON.parse(message.content)), shown);
      }));
    }
  }));

/** What tools of agents ask for that no grammar holds, or held before. */
const ODD: Record<string, object> = {
  uri: { type: "string", format: "uri" },
  unique: { type: "array", uniqueItems: true },
  share: { type: "number", minimum: 0, maximum: 1 },
  port: { type: "integer", minimum: 1, maximum: 65535 },
  long: { type: "string", maxLength: 1000 },
  names: { type: "object", propertyNames: { pattern: "^a" } },
  not: { not: { type: "null" } },
  nullable: { type: "string", nullable: true },
  multiple: { type: "number", multipleOf: 0.5 },
  vendor: { type: "string", "x-order": 1 },
  classes: { type: "string", pattern: "^\\S\\s\\d\\b\\p{L}$" },
  lookahead: { type: "string", pattern: "^(?=a)a$" },
  all: { allOf: [{ type: "string" }, { minLength: 1 }] },
  draft4: { type: "number", minimum: 0, exclusiveMinimum: true },
  draft7: { type: "array", items: [{ type: "string" }], additionalItems: false },
  nowhere: { $ref: "https://example.com/other" },
  unknown: { type: "file" },
};
const ODD_TOOLS = Object.entries(ODD).map(([name, schema]) => ({
  type: "function",
  function: { name, parameters: { type: "object", properties: { value: schema } } },
}));

Deno.test("odd tools stop no request, and a strict one is refused by name and place", () =>
  withServer(async (server) => {
    const short = { max_tokens: 8, seed: 1 };
    for (const tool_choice of ["auto", "required"]) {
      const { status, body } = await ask(server, { tools: ODD_TOOLS, tool_choice, ...short });
      assertEquals(status, 200, JSON.stringify(body));
    }
    const [tool] = ODD_TOOLS.filter((each) => each.function.name === "not");
    const strict = { ...tool, function: { ...tool.function, strict: true } };
    const { status, body } = await ask(server, { tools: [...ODD_TOOLS, { ...strict }].slice(-1) });
    assertEquals([status, body.error.param], [400, "tools"]);
    assertMatch(body.error.message, /schema of not at \/properties\/value\/not: .*"not" is not/);
    const refused = await ask(server, formatOf({ type: "array", uniqueItems: true }));
    assertEquals(refused.status, 400);
    assertEquals(refused.body.error.param, "response_format.json_schema.schema");
    assertMatch(refused.body.error.message, /at \/uniqueItems: /);
  }));

/** A tool of a text of a length, whose value may hold quotes and line ends. */
const WRITE_TOOL = {
  type: "function",
  function: {
    name: "write",
    parameters: {
      type: "object",
      properties: {
        text: { type: "string", minLength: 3, maxLength: 5 },
        flags: { type: "array", items: { type: "boolean" }, maxItems: 3 },
      },
      required: ["text", "flags"],
      additionalProperties: false,
    },
  },
};

Deno.test("arguments of calls are valid, and space in them is short", () =>
  withServer(async (server) => {
    const validate = ajv.compile(WRITE_TOOL.function.parameters);
    const tool_choice = { type: "function", function: { name: "write" } };
    let spaceCount = 0;
    await Promise.all([...SEEDS, 7, 8, 9, 10, 11, 12].map(async (seed) => {
      const { status, body } = await ask(server, { tools: [WRITE_TOOL], tool_choice, seed });
      assertEquals(status, 200, JSON.stringify(body));
      const [{ message, finish_reason }] = body.choices;
      assertEquals(finish_reason, "tool_calls");
      const text: string = message.tool_calls[0].function.arguments;
      assert(validate(JSON.parse(text)), text);
      const between = text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""').match(/\s+/g) ?? [];
      assert(between.every((space) => space.length <= 2), text);
      spaceCount += between.length;
    }));
    assert(spaceCount > 0, "some have space at all");
  }));
