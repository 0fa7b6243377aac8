/**
 * Reads calls whose arguments stand in marks, one by one. What is a string and what is JSON is said
 * by the schema of the function, or by the mark.
 *
 * @module
 */

import type { TaggedForm } from "./call_form.ts";
import type { CallLog } from "./call_log.ts";
import { parseExpression } from "./expression_calls.ts";
import { FUNCTION_NAME } from "./json_calls.ts";
import { parseJson } from "./json_value.ts";
import type { Reading } from "./parts.ts";
import type { Scanner } from "./scanner.ts";

/** Name of an argument, and what its mark says of its value. */
interface Key {
  name: string;
  /** Whether the value is a string; null if the mark does not say. */
  isString: boolean | null;
}

function toKey(text: string): Key {
  const [name, ...rest] = text.split('"');
  const said = /\b(?:string|type)=\W?(\w+)/.exec(rest.join('"'))?.[1];
  const isString = said === undefined ? null : said === "true" || said === "string";
  return { name: name.trim(), isString };
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

/** A value as JSON, where its type is not known to be a string. */
function toJson(text: string, types: Set<string> | null): string {
  const value = parseJson(text.trim());
  if (value === undefined) {
    // Some templates write values that are no text as Python does.
    const written = types?.has("string") ? undefined : parseExpression(text);
    return JSON.stringify(written === undefined ? text : written);
  }
  const type = typeOf(value);
  const isAllowed = types === null || types.has(type) ||
    (type === "number" && (types.has("integer") || types.has("number")));
  return isAllowed || !types.has("string") ? text.trim() : JSON.stringify(text);
}

/** A value whose members stand in marks too: `item` is one of a list. */
function parseMembers(text: string, mark: string): unknown {
  if (!text.includes(mark)) return parseJson(text) ?? text;
  const members: [string, unknown][] = [];
  for (let at = text.indexOf(mark); at >= 0;) {
    const key = /^[^>]*/.exec(text.slice(at + mark.length))![0];
    const begin = at + mark.length + key.length + 1;
    const close = `${mark}/${key}>`;
    const end = text.indexOf(close, begin);
    if (end < 0) return text;
    members.push([key, parseMembers(text.slice(begin, end), mark)]);
    at = text.indexOf(mark, end + close.length);
  }
  const isList = members.every(([key]) => key === "item");
  return isList ? members.map(([, value]) => value) : Object.fromEntries(members);
}

/** Nothing between the marks of elements, by the type that is wanted. */
const EMPTY_VALUES = [["array", "[]"], ["object", "{}"]] as const;

const quoted = (text: string) => JSON.stringify(text).slice(1, -1);

function* readValue(
  scanner: Scanner,
  form: TaggedForm,
  { calls, name, key }: { calls: CallLog; name: string; key: Key },
): Reading {
  const behind = form.behindValue.replace("{key}", () => key.name);
  const isQuoted = form.quotes !== undefined && (yield* scanner.accept(form.quotes[0]));
  const end = isQuoted ? form.quotes![1] + behind : behind;
  const ends = form.isPadded ? [`\n${end}`, end] : [end];
  if (form.isPadded) yield* scanner.accept("\n");
  const types = calls.typesOf(name, key.name);
  const isString = key.isString ?? (types?.size === 1 && types.has("string"));
  if (isString) {
    yield* calls.say('"');
    const found = yield* scanner.until(ends, (text) => calls.say(quoted(text)));
    if (found !== null) yield* calls.say('"');
    return;
  }
  const found = yield* scanner.collect(ends);
  if (found === null) return;
  if (form.behindValue.includes("{key}") && found.text.includes(form.beforeKey)) {
    return yield* calls.say(JSON.stringify(parseMembers(found.text, form.beforeKey)));
  }
  const empty = types?.size === 1 && EMPTY_VALUES.find(([type]) => types.has(type));
  if (empty && form.behindValue.includes("{key}") && found.text.trim() === "") {
    return yield* calls.say(empty[1]);
  }
  const isJson = key.isString === false && parseJson(found.text) !== undefined;
  yield* calls.say(isJson ? found.text : toJson(found.text, types));
}

/** Reads what stands behind the mark of a form. False if it is no call. */
export function* readTaggedCall(
  scanner: Scanner,
  form: TaggedForm,
  calls: CallLog,
): Reading<boolean> {
  const { behindName, end, beforeKey, behindKey, beforeValue } = form;
  const head = yield* scanner.collect(behindName === null ? [beforeKey, end] : [behindName]);
  if (head === null) return false;
  if (behindName === null) scanner.putBack(head.mark);
  const name = head.text.split('"')[0].trim();
  if (!FUNCTION_NAME.test(name)) return false;
  scanner.keep();
  yield calls.begin(name);
  yield* calls.say("{");
  for (let count = 0;; count++) {
    yield* scanner.space();
    if ((yield* scanner.accept(end)) || !(yield* scanner.accept(beforeKey))) break;
    const found = yield* scanner.collect([behindKey]);
    if (found === null) return true;
    const key = toKey(found.text);
    if (beforeValue !== "") {
      yield* scanner.space();
      yield* scanner.accept(beforeValue);
    }
    yield* calls.say(`${count === 0 ? "" : ","}${JSON.stringify(key.name)}:`);
    yield* readValue(scanner, form, { calls, name, key });
    if (scanner.isOver) return true;
  }
  yield* calls.say("}");
  return true;
}
