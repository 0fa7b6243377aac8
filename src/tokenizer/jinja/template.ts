/**
 * A Jinja template as chat templates are written: for Hugging Face's settings of Jinja in Python
 * (`trim_blocks`, `lstrip_blocks`, loop controls, `tojson` without escapes).
 *
 * @module
 */

import { Environment, parse, tokenize } from "@huggingface/jinja";
import { splitArguments } from "./arguments.ts";
import { PythonInterpreter } from "./interpreter.ts";
import type { Node } from "./nodes.ts";
import { strftime } from "./strftime.ts";
import { toText } from "./text.ts";
import { callable, dict, integer, type Key, list, str, type Value, valueOf } from "./values.ts";

type LibraryValue = Parameters<Environment["setVariable"]>[1];
type Tokens = ReturnType<typeof tokenize>;

/** A template that was parsed. */
export class JinjaTemplate {
  readonly #program: ReturnType<typeof parse>;

  /** @throws {SyntaxError} If it cannot be parsed. */
  constructor(source: string) {
    const tokens = tokenize(source, { lstrip_blocks: true, trim_blocks: true });
    this.#program = parse(withTestArguments(tokens));
    markOutput(this.#program as unknown as Node);
  }

  /**
   * The text of the template.
   *
   * @param variables JSON values; one that is undefined is not defined in the template either.
   * @param now The time that `strftime_now` writes.
   * @throws {Error} With the template's own words if it refuses, or as Jinja in Python says it.
   */
  render(variables: Readonly<Record<string, unknown>>, now = new Date()): string {
    const scope = new Environment();
    const set = (name: string, value: Value) =>
      scope.setVariable(name, value as unknown as LibraryValue);
    for (const [name, value] of Object.entries({ ...CONSTANTS, ...variables })) {
      if (value !== undefined) set(name, valueOf(value));
    }
    for (const [name, work] of Object.entries(FUNCTIONS)) set(name, callable(work));
    set("strftime_now", callable(([format]) => str(strftime(now, toText(format)))));
    return (new PythonInterpreter(scope).run(this.#program) as { value: string }).value;
  }
}

const CONSTANTS = { true: true, True: true, false: false, False: false, none: null, None: null };

const FUNCTIONS: Readonly<Record<string, (args: Value[]) => Value>> = {
  raise_exception: ([message = str("")]) => {
    throw new Error(toText(message));
  },
  range: (args) => {
    const numbers = args.map(({ value }) => Number(value));
    const [start, stop, step = 1] = numbers.length === 1 ? [0, ...numbers] : numbers;
    if (step === 0) throw new Error("range() arg 3 must not be zero");
    const count = Math.max(0, Math.ceil((stop - start) / step));
    return list(Array.from({ length: count }, (_, index) => integer(start + index * step)));
  },
  dict: (args) => dict(new Map<Key, Value>(splitArguments(args).named)),
};

/**
 * Tests with arguments, which the library does not parse, as filters named `is …`: its interpreter
 * runs them as tests. `is in` is `in`.
 */
function withTestArguments(tokens: Tokens): Tokens {
  const result: Tokens = [];
  const word = (at: number) => tokens[at]?.type === "Identifier" ? tokens[at].value : null;
  for (let at = 0; at < tokens.length; at++) {
    const isTest = word(at) === "is" && tokens[at - 1]?.type !== "Dot";
    const nameAt = word(at + 1) === "not" ? at + 2 : at + 1;
    const name = isTest ? word(nameAt) : null;
    const next = tokens[nameAt + 1]?.type;
    const not = nameAt === at + 2 ? "not " : "";
    if (name === "in") {
      at = nameAt - (not === "" ? 1 : 2); // on goes `in`, or `not in`
      continue;
    }
    const isLiteral = next === "StringLiteral" || next === "NumericLiteral";
    if (name === null || !(next === "OpenParen" || isLiteral)) {
      result.push(tokens[at]);
      continue;
    }
    result.push({ type: "Pipe", value: "|" }, { type: "Identifier", value: `is ${not}${name}` });
    if (isLiteral) {
      const close = { type: "CloseParen", value: ")" } as const;
      result.push({ type: "OpenParen", value: "(" }, tokens[nameAt + 1], close);
    }
    at = isLiteral ? nameAt + 1 : nameAt;
  }
  return result;
}

/** Expressions that stand between texts: their values are written as Python writes them. */
const STATEMENTS = new Set(
  "Set If For Macro CallStatement FilterStatement Break Continue Comment StringLiteral".split(" "),
);

function markOutput(node: Node): void {
  for (const key of ["body", "alternate", "defaultBlock"]) {
    const nodes = (node as unknown as Record<string, unknown>)[key];
    if (!Array.isArray(nodes)) continue;
    for (const [index, child] of (nodes as Node[]).entries()) {
      if (STATEMENTS.has(child.type)) markOutput(child);
      else nodes[index] = { type: "Output", operand: child };
    }
  }
}
