/** A corpus of schemas with documents, tried on a validator and on the grammars made of them. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import Ajv from "ajv";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { grammarText } from "../../src/grammar/compile.ts";
import { SchemaRefusal } from "../../src/grammar/refusal.ts";
import { Matcher } from "./matcher.ts";

/** One schema. All documents are values; a grammar is tried with their compact JSON. */
interface Case {
  name: string;
  schema: unknown;
  /** The validator's draft; 2020 if it is not said. */
  draft?: 7;
  /** A schema that says the same in a form the validator knows. */
  means?: unknown;
  /** Accepted, by strict grammars too. */
  valid: unknown[];
  /** Never accepted. */
  invalid: unknown[];
  /** Valid, but with members that a strict grammar leaves out. */
  open?: unknown[];
  /** Invalid, but accepted where the schema was widened. */
  loose?: unknown[];
  /** Places where it is widened if it is not strict. */
  weakens?: string[];
  /** What the strict one is refused with, if it is. */
  refusal?: string;
}

const FOLDER = new URL("./corpus/", import.meta.url);
const THEMES = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).sort();
const SCHEMA_COUNT_MIN = 300;

function casesOf(theme: string): Case[] {
  return JSON.parse(Deno.readTextFileSync(new URL(theme, FOLDER)));
}

// deno-lint-ignore no-explicit-any
const options: any = { strict: false, logger: false };
function validator({ schema, draft, means = schema }: Case) {
  const ajv = draft === 7 ? new Ajv.default(options) : new Ajv2020.default(options);
  return addFormats.default(ajv).compile(means as object | boolean);
}

for (const theme of THEMES) {
  const cases = casesOf(theme);
  Deno.test(`the documents of ${theme} are what the validator says they are`, () => {
    for (const each of cases) {
      const validate = validator(each);
      const verdict = (value: unknown) => [each.name, JSON.stringify(value), validate(value)];
      for (const value of [...each.valid, ...each.open ?? []]) {
        assertEquals(verdict(value), [each.name, JSON.stringify(value), true]);
      }
      for (const value of [...each.invalid, ...each.loose ?? []]) {
        assertEquals(verdict(value), [each.name, JSON.stringify(value), false]);
      }
      assert(
        each.valid.length > 0 && each.invalid.length + (each.loose?.length ?? 0) > 0,
        each.name,
      );
    }
  });

  for (const isStrict of [true, false]) {
    const kind = isStrict ? "strict" : "widened";
    Deno.test(`${kind} grammars of ${theme} accept what they must and nothing else`, async () => {
      const matcher = new Matcher();
      try {
        for (const each of cases) await tryCase(matcher, each, isStrict);
      } finally {
        matcher.end();
      }
    });
  }
}

async function tryCase(matcher: Matcher, each: Case, isStrict: boolean): Promise<void> {
  const { name, valid, invalid, open = [], loose = [], weakens = [], refusal } = each;
  const spec = { type: "json_schema" as const, schema: JSON.stringify(each.schema), isStrict };
  if (isStrict && refusal !== undefined) {
    const error = assertThrows(() => grammarText(spec), SchemaRefusal, "", name);
    assert(error.message.includes(refusal), `${name}: ${error.message}`);
    return;
  }
  const { text, weakenings } = grammarText(spec);
  const places = [...new Set(weakenings.map(({ at }) => at))].sort();
  assertEquals([name, places], [name, isStrict ? [] : [...weakens].sort()]);
  const accepted = isStrict ? valid : [...valid, ...open, ...loose];
  const refused = isStrict ? [...invalid, ...open, ...loose] : invalid;
  const texts = [...accepted, ...refused].map((value) => JSON.stringify(value));
  const found = await matcher.accepts(text, texts).catch((error) => {
    throw new Error(`${name}: ${error.message}`);
  });
  const shown = texts.map((json, index) => `${name}: ${json}: ${found[index]}`);
  assertEquals(
    shown,
    texts.map((json, index) => `${name}: ${json}: ${index < accepted.length}`),
  );
}

Deno.test(`the corpus has at least ${SCHEMA_COUNT_MIN} schemas`, () => {
  const cases = THEMES.flatMap(casesOf);
  assert(cases.length >= SCHEMA_COUNT_MIN, String(cases.length));
  assertEquals(new Set(cases.map(({ name }) => name)).size, cases.length, "names are used twice");
});
