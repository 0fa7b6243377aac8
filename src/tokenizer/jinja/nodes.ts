/**
 * Parsed templates, as far as the interpreter looks into them: the library does not export their
 * types.
 *
 * @module
 */

import type { Value } from "./values.ts";

interface Identifier {
  type: "Identifier";
  value: string;
}

/** A call; `callee` is evaluated first. */
export interface CallExpression {
  type: "CallExpression";
  callee: Node;
  args: Node[];
}

/** `operand | filter`. */
export interface FilterExpression {
  type: "FilterExpression";
  operand: Node;
  filter: Identifier | CallExpression;
}

/** `object.property`, or `object[property]` if it is computed. */
export interface MemberExpression {
  type: "MemberExpression";
  object: Node;
  property: Node;
  computed: boolean;
}

/** A loop; the elements of a SelectExpression are those for which its test holds. */
export interface For {
  type: "For";
  loopvar: Identifier | { type: "TupleLiteral"; value: Node[] };
  iterable: Node;
  body: Node[];
  defaultBlock: Node[];
}

/** `left operator right`. */
export interface BinaryExpression {
  type: "BinaryExpression";
  operator: { value: string };
  left: Node;
  right: Node;
}

/** `object[start:stop:step]`, as a property. */
export interface SliceExpression {
  type: "SliceExpression";
  start?: Node;
  stop?: Node;
  step?: Node;
}

/** A macro's definition. */
export interface Macro {
  type: "Macro";
  name: Identifier;
  body: Node[];
}

/** A node of a parsed template; `Output` and `Known` are not the library's. */
export type Node =
  | Identifier
  | CallExpression
  | FilterExpression
  | MemberExpression
  | For
  | BinaryExpression
  | SliceExpression
  | Macro
  | { type: "Output"; operand: Node }
  | { type: "Known"; value: Value }
  | { type: "IntegerLiteral"; value: number }
  | { type: "ObjectLiteral"; value: Map<Node, Node> }
  | { type: "FilterStatement"; filter: Identifier | CallExpression; body: Node[] }
  | { type: "TestExpression"; operand: Node; negate: boolean; test: Identifier }
  | { type: "SelectExpression"; lhs: Node; test: Node }
  | { type: "Ternary"; condition: Node; trueExpr: Node; falseExpr: Node }
  | { type: "UnaryExpression"; operator: { value: string }; argument: Node }
  | { type: "If"; test: Node; body: Node[]; alternate: Node[] }
  | { type: "Set" | "CallStatement" | "Program"; body: Node[] }
  | { type: "Break" | "Continue" | "Comment" | "StringLiteral" };
