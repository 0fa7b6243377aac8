/**
 * Methods of Python's `str`. Positions count code points.
 *
 * @module
 */

import { type Arguments, bind, countArgument, textArgument } from "./arguments.ts";
import { toText } from "./text.ts";
import { bool, elementsOf, integer, list, NONE, str, tuple, type Value } from "./values.ts";

/** What Python takes for white space, as a class of a regular expression. */
const SPACE =
  "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

type Method = (text: string, args: Arguments) => Value;

/** Trims `characters`, or white space, from the sides named. */
export function strip(text: string, characters: string | null, sides: "both" | "left" | "right") {
  const set = characters === null ? SPACE : [...characters].map((c) => RegExp.escape(c)).join("");
  if (set === "") return text;
  const left = sides === "right" ? text : text.replace(new RegExp(`^[${set}]+`, "u"), "");
  if (sides === "left") return left;
  // From the end: a pattern with `$` would be tried at each place.
  const isIn = new RegExp(`[${set}]`, "u");
  const points = Array.from(left);
  let end = points.length;
  while (end > 0 && isIn.test(points[end - 1])) end--;
  return points.slice(0, end).join("");
}

/** First letter upper case, the others lower case. */
export function capitalize(text: string): string {
  const [first = "", ...rest] = text;
  return first.toUpperCase() + rest.join("").toLowerCase();
}

/** Words with a first letter in upper case. */
export function title(text: string): string {
  return text.replace(/\p{L}+/gu, capitalize);
}

/** Python's `str.replace()`; a count below zero is all. */
export function replace(text: string, from: string, to: string, count: number): string {
  if (from === "") {
    const points = Array.from(text);
    const times = count < 0 ? points.length + 1 : Math.min(count, points.length + 1);
    const parts = points.map((point, index) => (index < times ? to : "") + point).join("");
    return times > points.length ? parts + to : parts;
  }
  const pieces = text.split(from);
  if (count < 0 || pieces.length <= count + 1) return pieces.join(to);
  return [...pieces.slice(0, count), pieces.slice(count).join(from)].join(to);
}

function split(text: string, separator: string | null, countMax: number): string[] {
  if (separator === null) {
    const words: string[] = [];
    let rest = strip(text, null, "left");
    while (rest !== "") {
      const match = new RegExp(`[${SPACE}]+`, "u").exec(rest);
      if (match === null || words.length === countMax) break;
      words.push(rest.slice(0, match.index));
      rest = rest.slice(match.index + match[0].length);
    }
    return rest === "" ? words : [...words, words.length === countMax ? rest : rest.trimEnd()];
  }
  if (separator === "") throw new Error("empty separator");
  const pieces = text.split(separator);
  if (countMax < 0 || pieces.length <= countMax + 1) return pieces;
  return [...pieces.slice(0, countMax), pieces.slice(countMax).join(separator)];
}

function splitRight(text: string, separator: string | null, countMax: number): string[] {
  const reverse = (value: string) => Array.from(value).reverse().join("");
  const pieces = split(reverse(text), separator === null ? null : reverse(separator), countMax);
  return pieces.map(reverse).reverse();
}

/** Whether there are characters, and all of them match. */
function every(pattern: RegExp): Method {
  return (text) => bool(text !== "" && Array.from(text).every((point) => pattern.test(point)));
}

/** Has a letter, and each letter is as `change` makes it. */
function cased(change: (text: string) => string): Method {
  return (text) => bool(/\p{L}/u.test(text) && text === change(text));
}

function stripper(name: string, sides: "both" | "left" | "right"): Method {
  return (text, args) => {
    const [characters] = bind(name, args, ["chars"]);
    const set = characters === undefined || characters.type === "NullValue"
      ? null
      : textArgument(name, characters);
    return str(strip(text, set, sides));
  };
}

function splitter(name: string, cut: typeof split): Method {
  return (text, args) => {
    const [separator, count] = bind(name, args, ["sep", "maxsplit"]);
    const by = separator === undefined || separator.type === "NullValue"
      ? null
      : textArgument(name, separator);
    return list(cut(text, by, countArgument(name, count, -1)).map(str));
  };
}

function matcher(name: string, matches: (text: string, part: string) => boolean): Method {
  return (text, args) => {
    const [part, start, end] = bind(name, args, ["prefix", "start", "end"]);
    const piece = section(text, start, end);
    const parts = part?.type === "TupleValue" ? part.value : [part];
    return bool(parts.some((each) => matches(piece, textArgument(name, each))));
  };
}

/** Part of a text by positions, as in a slice. */
function section(text: string, start: Value | undefined, end: Value | undefined): string {
  if (start === undefined && end === undefined) return text;
  const points = Array.from(text);
  return points.slice(
    countArgument("slice", start, 0),
    countArgument("slice", end, points.length),
  ).join("");
}

function finder(name: string, fromRight: boolean, isStrict: boolean): Method {
  return (text, args) => {
    const [part] = bind(name, args, ["sub"]);
    const wanted = textArgument(name, part);
    const at = fromRight ? text.lastIndexOf(wanted) : text.indexOf(wanted);
    if (at < 0 && isStrict) throw new Error("substring not found");
    return integer(at < 0 ? -1 : Array.from(text.slice(0, at)).length);
  };
}

function partitioner(name: string, fromRight: boolean): Method {
  return (text, args) => {
    const by = textArgument(name, bind(name, args, ["sep"])[0]);
    const at = fromRight ? text.lastIndexOf(by) : text.indexOf(by);
    if (at < 0) return tuple((fromRight ? ["", "", text] : [text, "", ""]).map(str));
    return tuple([text.slice(0, at), by, text.slice(at + by.length)].map(str));
  };
}

function padder(
  name: string,
  pad: (text: string, missing: number, fill: string) => string,
): Method {
  return (text, args) => {
    const [width, fill] = bind(name, args, ["width", "fillchar"]);
    const missing = countArgument(name, width, 0) - Array.from(text).length;
    return str(
      missing <= 0 ? text : pad(text, missing, fill === undefined ? " " : textArgument(name, fill)),
    );
  };
}

/** Python's `str.format()` with plain fields. */
function format(text: string, { positional, named }: Arguments): Value {
  let next = 0;
  return str(text.replace(/\{\{|\}\}|\{(\w*)\}/g, (found, field: string | undefined) => {
    if (field === undefined) return found[0];
    const value = field === ""
      ? positional[next++]
      : /^\d+$/.test(field)
      ? positional[Number(field)]
      : named.get(field);
    if (value === undefined) throw new Error(`format() has no value for {${field}}`);
    return toText(value);
  }));
}

/** Methods by name. */
export const STRING_METHODS: Readonly<Record<string, Method>> = {
  upper: (text) => str(text.toUpperCase()),
  lower: (text) => str(text.toLowerCase()),
  casefold: (text) => str(text.toLowerCase()),
  capitalize: (text) => str(capitalize(text)),
  title: (text) => str(title(text)),
  strip: stripper("strip", "both"),
  lstrip: stripper("lstrip", "left"),
  rstrip: stripper("rstrip", "right"),
  split: splitter("split", split),
  rsplit: splitter("rsplit", splitRight),
  splitlines: (text) =>
    list(
      text.replace(/\r\n|\n|\r$/, (m) => m).split(/\r\n|\r|\n/)
        .filter((line, index, lines) => line !== "" || index < lines.length - 1).map(str),
    ),
  startswith: matcher("startswith", (text, part) => text.startsWith(part)),
  endswith: matcher("endswith", (text, part) => text.endsWith(part)),
  replace: (text, args) => {
    const [from, to, count] = bind("replace", args, ["old", "new", "count"]);
    const [old, fresh] = [textArgument("replace", from), textArgument("replace", to)];
    return str(replace(text, old, fresh, countArgument("replace", count, -1)));
  },
  removeprefix: (text, args) => {
    const part = textArgument("removeprefix", args.positional[0]);
    return str(text.startsWith(part) ? text.slice(part.length) : text);
  },
  removesuffix: (text, args) => {
    const part = textArgument("removesuffix", args.positional[0]);
    return str(part !== "" && text.endsWith(part) ? text.slice(0, -part.length) : text);
  },
  join: (text, args) => {
    const [items] = bind("join", args, ["iterable"]);
    const texts = elementsOf(items ?? NONE).map((item) => textArgument("join", item));
    return str(texts.join(text));
  },
  find: finder("find", false, false),
  rfind: finder("rfind", true, false),
  index: finder("index", false, true),
  rindex: finder("rindex", true, true),
  count: (text, args) => {
    return integer(text.split(textArgument("count", args.positional[0])).length - 1);
  },
  partition: partitioner("partition", false),
  rpartition: partitioner("rpartition", true),
  ljust: padder("ljust", (text, missing, fill) => text + fill.repeat(missing)),
  rjust: padder("rjust", (text, missing, fill) => fill.repeat(missing) + text),
  center: padder("center", (text, missing, fill) => {
    const left = Math.floor(missing / 2);
    return fill.repeat(left) + text + fill.repeat(missing - left);
  }),
  zfill: (text, args) => {
    const [sign, digits] = /^[+-]/.test(text) ? [text[0], text.slice(1)] : ["", text];
    const width = countArgument("zfill", args.positional[0], 0);
    return str(sign + digits.padStart(width - sign.length, "0"));
  },
  format,
  isdigit: every(/^\p{Nd}$/u),
  isdecimal: every(/^\p{Nd}$/u),
  isnumeric: every(/^\p{N}$/u),
  isalpha: every(/^\p{L}$/u),
  isalnum: every(/^[\p{L}\p{N}]$/u),
  isspace: every(new RegExp(`^[${SPACE}]$`, "u")),
  isupper: cased((text) => text.toUpperCase()),
  islower: cased((text) => text.toLowerCase()),
};
