/**
 * `{% for %}`: each turn has its own variables, as in Jinja.
 *
 * @module
 */

import { Environment } from "@huggingface/jinja";
import type { For, Node } from "./nodes.ts";
import { isEqual } from "./operators.ts";
import { toText } from "./text.ts";
import {
  bool,
  callable,
  elementsOf,
  integer,
  list,
  namespace,
  truth,
  undefinedValue,
  type Value,
} from "./values.ts";

/** Ends a loop, or one turn of it. */
export class LoopControl extends Error {
  /** What the turn gave before. */
  text = "";

  constructor(readonly endsLoop: boolean) {
    super("break and continue stand in a loop");
  }
}

/** What evaluates the nodes of a loop. */
interface Evaluator {
  valueAt(node: Node, scope: Environment): Value;
}

/** The text of a loop. */
export function runLoop(node: For, scope: Environment, evaluator: Evaluator): string {
  const { body, defaultBlock } = node;
  const textOf = (nodes: Node[], inner: Environment) =>
    toText(evaluator.valueAt({ type: "Program", body: nodes }, inner));
  const items = chosenItems(node, scope, evaluator);
  if (items.length === 0) return textOf(defaultBlock, new Environment(scope));
  const outer = scope.lookupVariable("loop") as unknown as Value;
  const depth = outer.type === "NamespaceValue" ? Number(outer.value.get("depth")?.value ?? 0) : 0;
  const changed = changeDetector();
  let text = "";
  for (const [index, item] of items.entries()) {
    const inner = new Environment(scope);
    set(inner, "loop", loopVariable(items, index, depth, changed));
    assign(node.loopvar, item, inner);
    try {
      text += textOf(body, inner);
    } catch (error) {
      if (!(error instanceof LoopControl)) throw error;
      text += error.text;
      if (error.endsLoop) break;
    }
  }
  return text;
}

/** The elements, without those for which the loop's condition does not hold. */
function chosenItems({ iterable, loopvar }: For, scope: Environment, evaluator: Evaluator) {
  if (iterable.type !== "SelectExpression") return elementsOf(evaluator.valueAt(iterable, scope));
  return elementsOf(evaluator.valueAt(iterable.lhs, scope)).filter((item) => {
    const inner = new Environment(scope);
    assign(loopvar, item, inner);
    return truth(evaluator.valueAt(iterable.test, inner));
  });
}

function assign(target: For["loopvar"], item: Value, scope: Environment): void {
  if (target.type === "Identifier") return set(scope, target.value, item);
  const parts = elementsOf(item);
  const { length } = target.value;
  if (parts.length < length) {
    throw new Error(`not enough values to unpack (expected ${length}, got ${parts.length})`);
  }
  if (parts.length > length) throw new Error(`too many values to unpack (expected ${length})`);
  for (const [index, part] of parts.entries()) {
    assign(target.value[index] as For["loopvar"], part, scope);
  }
}

function set(scope: Environment, name: string, value: Value): void {
  scope.setVariable(name, value as unknown as Parameters<Environment["setVariable"]>[1]);
}

/** `loop.changed()`: whether its arguments are others than in the turn before. */
function changeDetector(): Value {
  let last: Value | null = null;
  return callable((args) => {
    const isChanged = last === null || !isEqual(last, list(args));
    last = list(args);
    return bool(isChanged);
  });
}

function loopVariable(
  items: readonly Value[],
  index: number,
  depth: number,
  changed: Value,
): Value {
  const { length } = items;
  const neighbour = (at: number, name: string) =>
    items[at] ?? undefinedValue(`there is no ${name} item`);
  return namespace(
    new Map<string, Value>([
      ["index", integer(index + 1)],
      ["index0", integer(index)],
      ["revindex", integer(length - index)],
      ["revindex0", integer(length - index - 1)],
      ["first", bool(index === 0)],
      ["last", bool(index === length - 1)],
      ["length", integer(length)],
      ["depth", integer(depth + 1)],
      ["depth0", integer(depth)],
      ["previtem", neighbour(index - 1, "previous")],
      ["nextitem", neighbour(index + 1, "next")],
      ["cycle", callable((args) => args[index % args.length])],
      ["changed", changed],
    ]),
  );
}
