/**
 * `@huggingface/jinja`'s interpreter with the values, operators, filters, tests and scopes of Jinja
 * in Python, for which templates are written. The library parses, and runs what is not here.
 *
 * @module
 */

import { Environment, Interpreter } from "@huggingface/jinja";
import { splitArguments } from "./arguments.ts";
import { applyFilter } from "./filters.ts";
import { LoopControl, runLoop } from "./loop.ts";
import { attribute, item, slice } from "./members.ts";
import type {
  BinaryExpression,
  CallExpression,
  FilterExpression,
  Macro,
  MemberExpression,
  Node,
} from "./nodes.ts";
import { binary, keyOf } from "./operators.ts";
import { runTest } from "./tests.ts";
import { toText } from "./text.ts";
import {
  bool,
  callable,
  dict,
  integer,
  type Key,
  refuseUndefined,
  str,
  truth,
  typeName,
  undefinedValue,
  type Value,
} from "./values.ts";

type LibraryValue = ReturnType<Interpreter["evaluate"]>;
type Statement = Parameters<Interpreter["evaluate"]>[0];

/** Runs a parsed template. */
export class PythonInterpreter extends Interpreter {
  override evaluate(statement: Statement, scope: Environment): LibraryValue {
    const own = this.#own(statement as unknown as Node, scope);
    return own === null ? super.evaluate(statement, scope) : own as unknown as LibraryValue;
  }

  /** The value of a node. */
  valueAt(node: Node, scope: Environment): Value {
    return this.evaluate(node as unknown as Statement, scope) as unknown as Value;
  }

  /** Null for what the library does as Python would. */
  #own(node: Node | undefined, scope: Environment): Value | null {
    switch (node?.type) {
      case "Known":
        return node.value;
      case "Program":
        return str(this.#block(node.body, scope));
      case "Output":
        return str(toText(this.valueAt(node.operand, scope)));
      case "Identifier":
        return lookUp(node.value, scope);
      case "ObjectLiteral":
        return this.#dict(node.value, scope);
      case "BinaryExpression":
        return this.#binary(node, scope);
      case "FilterExpression":
        return this.#filter(node, scope);
      case "FilterStatement": {
        const operand: Node = { type: "Program", body: node.body };
        return this.#filter({ type: "FilterExpression", operand, filter: node.filter }, scope);
      }
      case "TestExpression": {
        const result = runTest(node.test.value, this.valueAt(node.operand, scope));
        return bool(result !== node.negate);
      }
      case "MemberExpression":
        return this.#member(node, scope);
      case "CallExpression":
        return this.#call(node, scope);
      case "SelectExpression":
        if (truth(this.valueAt(node.test, scope))) return this.valueAt(node.lhs, scope);
        return undefinedValue("the inline if-expression has no else section");
      case "Ternary": {
        const holds = truth(this.valueAt(node.condition, scope));
        return this.valueAt(holds ? node.trueExpr : node.falseExpr, scope);
      }
      case "UnaryExpression":
        if (node.operator.value !== "not") return null;
        return bool(!truth(this.valueAt(node.argument, scope)));
      case "If": {
        const holds = truth(this.valueAt(node.test, scope));
        return str(this.#block(holds ? node.body : node.alternate, scope));
      }
      case "Macro":
        return this.#macro(node, scope);
      case "For":
        return str(runLoop(node, scope, this));
      case "Break":
      case "Continue":
        throw new LoopControl(node.type === "Break");
      default:
        return null;
    }
  }

  /** Text of one node after the other; what stands before the end of a loop is kept. */
  #block(nodes: readonly Node[], scope: Environment): string {
    let text = "";
    try {
      for (const node of nodes) {
        const value = this.valueAt(node, scope);
        if (value.type === "StringValue") text += value.value;
      }
    } catch (error) {
      if (error instanceof LoopControl) error.text = text + error.text;
      throw error;
    }
    return text;
  }

  #dict(entries: ReadonlyMap<Node, Node>, scope: Environment): Value {
    const map = new Map<Key, Value>();
    for (const [key, value] of entries) {
      map.set(keyOf(this.valueAt(key, scope)), this.valueAt(value, scope));
    }
    return dict(map);
  }

  #binary({ operator, left, right }: BinaryExpression, scope: Environment): Value {
    const first = this.valueAt(left, scope);
    if (operator.value === "and") return truth(first) ? this.valueAt(right, scope) : first;
    if (operator.value === "or") return truth(first) ? first : this.valueAt(right, scope);
    return binary(operator.value, first, this.valueAt(right, scope));
  }

  /** Also tests with arguments, which the parser is given as filters named `is …`. */
  #filter({ operand, filter }: FilterExpression, scope: Environment): Value {
    const value = this.valueAt(operand, scope);
    const callee = filter.type === "Identifier" ? filter : filter.callee;
    const name = callee.type === "Identifier" ? callee.value : "";
    const args = filter.type === "Identifier" ? [] : filter.args;
    const [, not, test] = /^is (not )?(.+)$/.exec(name) ?? [];
    return this.#apply(args, scope, (values) => {
      if (test === undefined) return applyFilter(name, value, splitArguments(values));
      return bool(runTest(test, value, values[0]) !== (not !== undefined));
    });
  }

  /** Calls `work` with the values of `args`, named ones last. */
  #apply(args: Node[], scope: Environment, work: (args: Value[]) => Value): Value {
    const callee: Node = { type: "Known", value: callable(work) };
    return this.#library({ type: "CallExpression", callee, args }, scope);
  }

  #call({ callee, args }: CallExpression, scope: Environment): Value {
    const value = this.valueAt(callee, scope);
    refuseUndefined(value);
    if (value.type !== "FunctionValue") throw new Error(`'${typeName(value)}' is not callable`);
    return this.#library({ type: "CallExpression", callee: { type: "Known", value }, args }, scope);
  }

  #member({ object, property, computed }: MemberExpression, scope: Environment): Value {
    const value = this.valueAt(object, scope);
    if (property.type === "SliceExpression") {
      const bounds = [property.start, property.stop, property.step];
      return slice(value, bounds.map((bound) => bound && this.valueAt(bound, scope)));
    }
    if (computed) return item(value, this.valueAt(property, scope));
    if (property.type === "IntegerLiteral") return item(value, integer(property.value));
    return attribute(value, (property as { value: string }).value);
  }

  /** A macro sees the variables where it stands, not those where it is called. */
  #macro(node: Macro, scope: Environment): Value {
    const result = this.#library(node, scope);
    const { value } = lookUp(node.name.value, scope) as { value: MacroFunction };
    const macro = callable((args, callScope) => {
      const inner = new Environment(scope);
      const caller = callScope.variables.get("caller");
      if (caller !== undefined) inner.setVariable("caller", caller);
      return value(args, inner);
    });
    scope.setVariable(node.name.value, macro as unknown as LibraryValue);
    return result;
  }

  #library(node: Node, scope: Environment): Value {
    return super.evaluate(node as unknown as Statement, scope) as unknown as Value;
  }
}

type MacroFunction = (args: Value[], scope: Environment) => Value;

function lookUp(name: string, scope: Environment): Value {
  for (let at: Environment | undefined = scope; at; at = at.parent) {
    const found = at.variables.get(name);
    if (found !== undefined) return found as unknown as Value;
  }
  return undefinedValue(`'${name}' is undefined`);
}
