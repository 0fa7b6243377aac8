/**
 * Whether alternatives exclude each other, as `oneOf` wants them to.
 *
 * @module
 */

import { type Branch, type Members, memberSub, type Place, type Sub } from "./branches.ts";
import { compare } from "./numbers.ts";

const DEPTH_MAX = 4;

/** What is needed of the reader of the schemas. */
interface Reader {
  branches(sub: Sub): readonly Branch[];
  readonly anything: Place;
  readonly nothing: Place;
  readonly isStrict: boolean;
}

/** An object as it is followed: closed, unless a schema says what other names hold. */
export function closed(reader: Reader, branch: Branch): Branch {
  if (branch.type !== "object" || !reader.isStrict) return branch;
  const { members, required } = branch;
  if (members.length === 0 || members.some(({ others }) => others !== null)) return branch;
  const names = [...members.flatMap(({ properties }) => [...properties.keys()]), ...required];
  const closing: Members = {
    properties: new Map(names.map((name) => [name, reader.anything])),
    patterns: members.flatMap(({ patterns }) =>
      patterns.map(({ pattern }) => ({ pattern, place: reader.anything }))
    ),
    others: reader.nothing,
  };
  return { ...branch, members: [...members, closing] };
}

/** Whether there may be a value for which both hold; false only if it is certain. */
export function mayOverlap(
  reader: Reader,
  a: readonly Branch[],
  b: readonly Branch[],
  both: (a: readonly Branch[], b: readonly Branch[]) => readonly Branch[],
): boolean {
  const shut = (branches: readonly Branch[]) => branches.map((each) => closed(reader, each));
  return both(shut(a), shut(b)).some((branch) => mayHold(reader, branch, 0));
}

function mayHold(reader: Reader, branch: Branch, depth: number): boolean {
  const isPossible = (sub: Sub) =>
    depth >= DEPTH_MAX || reader.branches(sub).some((each) => mayHold(reader, each, depth + 1));
  switch (branch.type) {
    case "literals":
      return branch.values.length > 0;
    case "number": {
      const { low, high } = branch;
      if (low === null || high === null) return true;
      const order = compare(low.value, high.value);
      return order < 0 || (order === 0 && !low.isExclusive && !high.isExclusive);
    }
    case "string":
      return branch.max === null || branch.min <= branch.max;
    case "array": {
      if (branch.max !== null && branch.min > branch.max) return false;
      const needed = Array.from(
        { length: Math.min(branch.min, branch.prefix.length + 1) },
        (_, index) => branch.prefix[index] ?? branch.rest,
      );
      return needed.every(isPossible);
    }
    case "object": {
      if (branch.max !== null && Math.max(branch.min, branch.required.length) > branch.max) {
        return false;
      }
      return branch.required.every((name) => isPossible(memberSub(branch.members, name)));
    }
    default:
      return true;
  }
}
