/**
 * From what an answer must be to the text of a grammar.
 *
 * @module
 */

import {
  choice,
  type Expression,
  Grammar,
  optional,
  prune,
  repeat,
  rule,
  sequence,
  text,
} from "./expression.ts";
import { checkLength } from "./limits.ts";
import { unless, without } from "./unless.ts";
import { SchemaReader } from "./read_schema.ts";
import { SchemaRefusal, type Weakening } from "./refusal.ts";
import { ATTRIBUTES, MemberWriter } from "./marked_members.ts";
import type { GrammarSpec, GrammarTag, MemberMarks } from "./types.ts";
import { writeRules } from "./write_grammar.ts";
import { SchemaWriter } from "./write_schema.ts";

const NESTING_MAX = 200;
/** Most rules of one schema, and characters of a grammar: the library needs time for each. */
const RULE_COUNT_MAX = 5000;
const TEXT_LENGTH_MAX = 2_000_000;

/** A grammar as the library reads it. */
export interface GrammarText {
  text: string;
  /** Parts of its schemas that it does not enforce, in their order. */
  weakenings: readonly Weakening[];
}

/** How deep brackets of a JSON text are nested. */
function nestingOf(json: string): number {
  let [depth, deepest, isInString] = [0, 0, false];
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (isInString && character === "\\") at++;
    else if (character === '"') isInString = !isInString;
    else if (!isInString && (character === "{" || character === "[")) depth++;
    else if (!isInString && (character === "}" || character === "]")) depth--;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

function parse(json: string): unknown {
  checkLength(json);
  if (nestingOf(json) > NESTING_MAX) {
    throw new SchemaRefusal({ at: "", state: `it is nested more than ${NESTING_MAX} deep` });
  }
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new SchemaRefusal({ at: "", state: `it is no JSON: ${(error as Error).message}` });
  }
}

interface Part {
  root: Expression;
  weakenings: readonly Weakening[];
}

function compileSchema(
  grammar: Grammar,
  schema: string,
  options: { stem: string; isStrict: boolean },
): Part {
  const before = grammar.rules.size;
  const reader = new SchemaReader(parse(schema), options.isStrict);
  const root = new SchemaWriter(grammar, reader, options.stem).value([reader.root]);
  if (grammar.rules.size - before > RULE_COUNT_MAX) {
    throw new SchemaRefusal({ at: "", state: `it makes over ${RULE_COUNT_MAX} rules` });
  }
  const isPossible = root.kind !== "rule" || prune(grammar, root.name).size > 0;
  if (!isPossible) throw new SchemaRefusal({ at: "", state: "no value can satisfy it" });
  return { root, weakenings: reader.weakenings };
}

/** A schema that is not strict becomes any object if nothing else works. */
function compilePart(
  grammar: Grammar,
  { schema, isStrict = true, name }: Pick<GrammarTag, "schema" | "isStrict" | "name">,
  stem: string,
): Part {
  try {
    return compileSchema(grammar, schema, { stem, isStrict });
  } catch (error) {
    if (!(error instanceof SchemaRefusal)) throw error;
    if (isStrict) throw new SchemaRefusal(error.weakening, name);
    const reader = new SchemaReader({ type: "object" }, false);
    const root = new SchemaWriter(grammar, reader, `${stem}w`).value([reader.root]);
    return { root, weakenings: [error.weakening] };
  }
}

/** The members of an object in marks of their own; each value is widened where need be. */
function compileMembers(
  grammar: Grammar,
  { schema, members }: { schema: string; members: MemberMarks },
  stem: string,
): Part {
  const weakenings: Weakening[] = [];
  const writer = new MemberWriter(grammar, members, (each, stem) => {
    try {
      const part = compileSchema(grammar, each, { stem, isStrict: false });
      weakenings.push(...part.weakenings);
      return part.root;
    } catch (error) {
      if (!(error instanceof SchemaRefusal)) throw error;
      weakenings.push(error.weakening);
      return null;
    }
  });
  return { root: writer.object(parse(schema) as Record<string, unknown>, stem), weakenings };
}

/** A mark that may come behind a part. */
function closing({ members }: GrammarTag): Expression {
  if (!members || members.closings.length === 0) return text("");
  return optional(sequence(SPACES, choice(...members.closings.map(text))));
}

const ROOT = "root";
/** What a dispatch leads to. */
const TARGET = "target";

/** Lets free text come first, up to a mark that leads to the grammar. */
interface Dispatch {
  mark: string;
  /** Whether free text may come again. */
  isRepeated: boolean;
}

function finish(grammar: Grammar, root: Expression, dispatch: Dispatch | null): string {
  grammar.rules.set(ROOT, root);
  const rules = prune(grammar, ROOT);
  const named = dispatch === null
    ? rules
    : new Map([...rules].map(([name, body]) => [name === ROOT ? TARGET : name, body]));
  const written = (dispatch === null ? "" : `${ROOT} ::= ${writeDispatch(dispatch)}\n`) +
    writeRules(named);
  if (written.length > TEXT_LENGTH_MAX) {
    throw new SchemaRefusal({ at: "", state: `its grammar is over ${TEXT_LENGTH_MAX} characters` });
  }
  return written;
}

function writeDispatch({ mark, isRepeated }: Dispatch): string {
  const options = `stop_eos=true, loop_after_dispatch=${isRepeated}`;
  return `TagDispatch((${JSON.stringify(mark)}, ${TARGET}), ${options})`;
}

/** Space that models put behind their thoughts. */
const SPACES = repeat(text("\n"), 0, 4);

/** The grammar of what comes behind thoughts, or without any. */
function withReasoning(grammar: Grammar, root: Expression, spec: GrammarSpec): string {
  const { reasoning = null } = spec;
  if (reasoning === null) return finish(grammar, root, null);
  const { open, close } = reasoning;
  const thoughts = unless(grammar, close);
  const before = open === null ? thoughts : optional(sequence(SPACES, text(open), thoughts));
  return finish(grammar, sequence(before, SPACES, root), null);
}

/** How a part begins; the first `skipped` characters are there already. */
function beginning(tag: GrammarTag, skipped: number): Expression {
  const { begin, otherBegins = [], behindAttributes } = tag;
  const begins = choice(...[begin, ...otherBegins].map((each) => text(each.slice(skipped))));
  if (behindAttributes === undefined) return begins;
  return sequence(begins, ATTRIBUTES, text(behindAttributes));
}

/** Texts up to their ends, then a text that may go on to the end of all, or a part. */
function messages(
  grammar: Grammar,
  { headers, end, start }: Extract<GrammarSpec, { type: "messages" }>,
  tagged: Expression,
): Expression {
  const header = choice(...headers.map(text));
  const message = sequence(header, unless(grammar, end), SPACES, text(start));
  const last = choice(sequence(header, without(grammar, end), optional(text(end))), tagged);
  return sequence(repeat(message, 0, null), last);
}

const CALLS = "calls";

/**
 * Writes a grammar.
 *
 * @throws {SchemaRefusal} If a strict schema cannot be followed exactly, saying where and why.
 */
export function grammarText(spec: GrammarSpec): GrammarText {
  const grammar = new Grammar();
  if (spec.type === "json_schema") {
    const { root, weakenings } = compilePart(grammar, spec, "value");
    return { text: withReasoning(grammar, root, spec), weakenings };
  }
  const { tags } = spec;
  const parts = tags.map((tag, index) =>
    tag.members
      ? compileMembers(grammar, { ...tag, members: tag.members }, `value${index}x`)
      : compilePart(grammar, tag, `value${index}x`)
  );
  const weakenings = parts.flatMap((part) => part.weakenings);
  const tagged = (skipped: number) =>
    choice(
      ...tags.map((tag: GrammarTag, index) =>
        sequence(beginning(tag, skipped), parts[index].root, text(tag.end), closing(tag))
      ),
    );
  if (spec.type === "messages") {
    return { text: finish(grammar, messages(grammar, spec, tagged(0)), null), weakenings };
  }
  const { trigger, separator, isRepeated, open = "", close = "" } = spec;
  const skipped = trigger?.length ?? 0;
  if (trigger !== null && open === "" && close === "") {
    const dispatch = { mark: trigger, isRepeated };
    return { text: finish(grammar, tagged(skipped), dispatch), weakenings };
  }
  grammar.rules.set(CALLS, tagged(0));
  const more = repeat(sequence(text(separator), rule(CALLS)), 0, null);
  const calls = isRepeated ? sequence(rule(CALLS), more) : rule(CALLS);
  const root = sequence(text(open.slice(skipped)), calls, text(close));
  if (trigger === null) {
    const other = spec.otherwise ? compilePart(grammar, spec.otherwise, "other") : null;
    weakenings.push(...other?.weakenings ?? []);
    const either = other === null ? root : choice(root, other.root);
    return { text: withReasoning(grammar, either, spec), weakenings };
  }
  const dispatch = { mark: trigger, isRepeated: false };
  return { text: finish(grammar, root, dispatch), weakenings };
}
