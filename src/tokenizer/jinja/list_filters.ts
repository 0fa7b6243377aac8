/**
 * Jinja's filters of lists.
 *
 * @module
 */

import { type Arguments, bind, countArgument, textArgument } from "./arguments.ts";
import { atPath } from "./members.ts";
import { compare, isEqual } from "./operators.ts";
import { runTest } from "./tests.ts";
import { toText } from "./text.ts";
import type { Filter } from "./value_filters.ts";
import {
  bool,
  elementsOf,
  integer,
  isDict,
  keyValue,
  lazyList,
  list,
  NONE,
  str,
  truth,
  tuple,
  undefinedValue,
  type Value,
} from "./values.ts";

/** What is compared: texts without regard to case, unless that is asked for. */
function comparable(value: Value, isCaseSensitive: boolean): Value {
  return value.type === "StringValue" && !isCaseSensitive ? str(value.value.toLowerCase()) : value;
}

const isSet = (flag: Value | undefined) => flag !== undefined && truth(flag);
const isGiven = (value: Value | undefined): value is Value =>
  value !== undefined && value.type !== "NullValue";

function sort(value: Value, args: Arguments): Value {
  const names = ["reverse", "case_sensitive", "attribute"];
  const [reverse, caseSensitive, attribute] = bind("sort", args, names);
  const keysOf = (each: Value) => {
    if (!isGiven(attribute)) return [comparable(each, isSet(caseSensitive))];
    const paths = attribute.type === "StringValue"
      ? attribute.value.split(",").map(str)
      : [attribute];
    return paths.map((path) => comparable(atPath(each, path), isSet(caseSensitive)));
  };
  const keyed = elementsOf(value).map((each) => ({ each, key: list(keysOf(each)) }));
  const sign = isSet(reverse) ? -1 : 1;
  keyed.sort((a, b) => sign * compare(a.key, b.key));
  return list(keyed.map(({ each }) => each));
}

function dictsort(value: Value, args: Arguments): Value {
  if (!isDict(value)) throw new Error("dictsort needs a dict");
  const [caseSensitive, by, reverse] = bind("dictsort", args, ["case_sensitive", "by", "reverse"]);
  const at = by !== undefined && toText(by) === "value" ? 1 : 0;
  const pairs = [...value.value].map(([key, each]) => tuple([keyValue(key), each]));
  const sign = isSet(reverse) ? -1 : 1;
  const keyOfPair = (pair: Value) => comparable(elementsOf(pair)[at], isSet(caseSensitive));
  return list(pairs.sort((a, b) => sign * compare(keyOfPair(a), keyOfPair(b))));
}

function extreme(name: string, isBetter: (order: number) => boolean): Filter {
  return (value, args) => {
    const [caseSensitive, attribute] = bind(name, args, ["case_sensitive", "attribute"]);
    const key = (each: Value) =>
      comparable(isGiven(attribute) ? atPath(each, attribute) : each, isSet(caseSensitive));
    const [first, ...rest] = elementsOf(value);
    if (first === undefined) return undefinedValue("No aggregated item, sequence was empty.");
    return rest.reduce(
      (best, each) => isBetter(compare(key(each), key(best))) ? each : best,
      first,
    );
  };
}

function unique(value: Value, args: Arguments): Value {
  const [caseSensitive, attribute] = bind("unique", args, ["case_sensitive", "attribute"]);
  const seen: Value[] = [];
  return lazyList(
    elementsOf(value).filter((each) => {
      const key = comparable(
        isGiven(attribute) ? atPath(each, attribute) : each,
        isSet(caseSensitive),
      );
      if (seen.some((other) => isEqual(other, key))) return false;
      seen.push(key);
      return true;
    }),
  );
}

function join(value: Value, args: Arguments): Value {
  const [separator, attribute] = bind("join", args, ["d", "attribute"]);
  const texts = elementsOf(value).map((each) =>
    toText(isGiven(attribute) ? atPath(each, attribute) : each)
  );
  return str(texts.join(separator === undefined ? "" : toText(separator)));
}

/** `select` and its kin: by a test of each element, or of its attribute. */
function chooser(isChosen: boolean, hasAttribute: boolean): Filter {
  return (value, { positional }) => {
    // Jinja looks at no element of what is not true, such as None.
    if (!truth(value)) return lazyList([]);
    const [path, rest] = hasAttribute ? [positional[0], positional.slice(1)] : [null, positional];
    const [name, ...others] = rest;
    return lazyList(
      elementsOf(value).filter((each) => {
        const tested = path === null ? each : atPath(each, path);
        const result = name === undefined
          ? truth(tested)
          : runTest(textArgument("select", name), tested, others[0]);
        return result === isChosen;
      }),
    );
  };
}

function groupby(value: Value, args: Arguments): Value {
  const names = ["attribute", "default", "case_sensitive"];
  const [attribute = NONE, , caseSensitive = bool(false)] = bind("groupby", args, names);
  const named = new Map([["attribute", attribute], ["case_sensitive", caseSensitive]]);
  const groups: { key: Value; members: Value[] }[] = [];
  for (const each of elementsOf(sort(value, { positional: [], named }))) {
    const key = atPath(each, attribute);
    const compared = (other: Value) => comparable(other, truth(caseSensitive));
    const last = groups.at(-1);
    if (last && isEqual(compared(last.key), compared(key))) last.members.push(each);
    else groups.push({ key, members: [each] });
  }
  return list(groups.map(({ key, members }) => tuple([key, list(members)])));
}

function batch(value: Value, args: Arguments): Value {
  const [lineCount, fill] = bind("batch", args, ["linecount", "fill_with"]);
  const width = countArgument("batch", lineCount, 1);
  const elements = elementsOf(value);
  const rows: Value[] = [];
  for (let at = 0; at < elements.length; at += width) {
    const row = elements.slice(at, at + width);
    while (isGiven(fill) && row.length < width) row.push(fill);
    rows.push(list(row));
  }
  return lazyList(rows);
}

function sum(value: Value, args: Arguments): Value {
  const [attribute, start] = bind("sum", args, ["attribute", "start"]);
  const first = start === undefined ? 0 : countArgument("sum", start, 0);
  return integer(
    elementsOf(value).reduce((total, each) => {
      return total + countArgument("sum", isGiven(attribute) ? atPath(each, attribute) : each, 0);
    }, first),
  );
}

const end = (name: string, at: number): Filter => (value) =>
  elementsOf(value).at(at) ??
    undefinedValue(`No ${name} item, sequence was empty.`);

/** Filters by name. */
export const LIST_FILTERS: Readonly<Record<string, Filter>> = {
  list: (value) => list([...elementsOf(value)]),
  first: end("first", 0),
  last: end("last", -1),
  reverse: (value) => {
    const reversed = [...elementsOf(value)].reverse();
    return value.type === "StringValue" ? str(reversed.map(toText).join("")) : lazyList(reversed);
  },
  sort,
  dictsort,
  min: extreme("min", (order) => order < 0),
  max: extreme("max", (order) => order > 0),
  unique,
  join,
  select: chooser(true, false),
  reject: chooser(false, false),
  selectattr: chooser(true, true),
  rejectattr: chooser(false, true),
  groupby,
  batch,
  sum,
  attr: (value, args) => atPath(value, bind("attr", args, ["name"])[0] ?? NONE),
  bool: (value) => bool(truth(value)),
};
