/**
 * Reads calls whose arguments are JSON.
 *
 * @module
 */

import type { JsonForm, NamedForm } from "./call_form.ts";
import type { CallLog } from "./call_log.ts";
import { collectValue, parseJson, readString, readValue } from "./json_value.ts";
import type { Reading } from "./parts.ts";
import type { Scanner } from "./scanner.ts";

/** Names of functions. */
export const FUNCTION_NAME = /^[\w.-]{1,64}$/;

/** Whether arguments are next, or would be if the answer went on. */
function* isAtArguments(scanner: Scanner): Reading<boolean> {
  return /^(?:[{"]|$)/.test(yield* scanner.peek(1));
}

/** The arguments of a call that has begun; some models write them as a string of JSON. */
function* readArguments(scanner: Scanner, calls: CallLog): Reading<boolean> {
  if ((yield* scanner.peek(1)) !== '"') return yield* readValue(scanner, calls.say);
  const text = yield* readString(scanner);
  if (text === null) return false;
  yield* calls.say(parseJson(text) === undefined ? JSON.stringify(text) : text);
  return true;
}

/** A member's name and the colon behind it. */
function* readKey(scanner: Scanner): Reading<string | null> {
  const key = yield* readString(scanner);
  if (key === null) return null;
  yield* scanner.space();
  if (!(yield* scanner.accept(":"))) return null;
  yield* scanner.space();
  return key;
}

/** What is known of a call before its arguments. */
interface Head {
  name: string | null;
  id: string | null;
  /** Arguments that came before the name. */
  early: string | null;
}

/** Reads members up to the arguments. False if this is no call. */
function* readHead(scanner: Scanner, form: JsonForm, head: Head): Reading<boolean> {
  const { members } = form;
  while (true) {
    const key = yield* readKey(scanner);
    if (key === null) return false;
    if (members === null) {
      head.name = key;
      return FUNCTION_NAME.test(key) && (yield* scanner.peek(1)) === "{";
    }
    if (key === members.name) {
      head.name = yield* readString(scanner);
      if (head.name === null || !FUNCTION_NAME.test(head.name)) return false;
    } else if (key === members.arguments && head.name !== null) {
      return yield* isAtArguments(scanner);
    } else {
      const value = yield* collectValue(scanner);
      if (value === null) return false;
      if (key === members.arguments) head.early = value;
      if (key === members.id) head.id = String(parseJson(value));
    }
    yield* scanner.space();
    if (yield* scanner.accept(",")) yield* scanner.space();
    else return head.name !== null && head.early !== null;
  }
}

/** What is left of a call's object behind its arguments. */
function* readTail(scanner: Scanner): Reading {
  yield* scanner.space();
  while (yield* scanner.accept(",")) {
    yield* scanner.space();
    if ((yield* readKey(scanner)) === null || (yield* collectValue(scanner)) === null) return;
    yield* scanner.space();
  }
  yield* scanner.accept("}");
}

/** Reads one object. False if it is no call. */
function* readObject(scanner: Scanner, form: JsonForm, calls: CallLog): Reading<boolean> {
  if (!(yield* scanner.accept("{"))) return false;
  yield* scanner.space();
  const head: Head = { name: null, id: null, early: null };
  if (!(yield* readHead(scanner, form, head)) || head.name === null) return false;
  scanner.keep();
  yield calls.begin(head.name, head.id);
  if (head.early !== null) yield* calls.say(head.early);
  else yield* readArguments(scanner, calls);
  yield* readTail(scanner);
  return true;
}

/** Reads what stands behind the mark of a form. False if it is no call. */
export function* readJsonCalls(
  scanner: Scanner,
  form: JsonForm,
  calls: CallLog,
): Reading<boolean> {
  yield* scanner.space();
  if (yield* scanner.accept("```json")) yield* scanner.space();
  const isList = yield* scanner.accept("[");
  yield* scanner.space();
  if (!(yield* readObject(scanner, form, calls))) return false;
  while (true) {
    yield* scanner.space();
    if (form.end && (yield* scanner.acceptEnd(form.end))) return true;
    if (isList && (yield* scanner.accept("]"))) continue;
    if (yield* scanner.acceptOne([",", ";"])) continue;
    // Without an end, only a list says that another object belongs to it.
    if (!isList && form.end === null && form.begin !== null) return true;
    scanner.tryFromHere();
    if (!(yield* readObject(scanner, form, calls))) {
      scanner.goBack();
      return true;
    }
  }
}

/** The name and id of a call in a {@link NamedForm}; null if this is none. */
function* readName(
  scanner: Scanner,
  form: NamedForm,
): Reading<{ name: string; id: string } | null> {
  let id = "";
  if (form.behindId !== undefined) {
    const first = yield* scanner.collect([form.behindId]);
    if (first === null) return null;
    id = first.text.trim();
  }
  const found = yield* scanner.collect(form.behindName);
  if (found === null) return null;
  if (found.mark === "[CALL_ID]") {
    const given = yield* scanner.collect(["[ARGS]"]);
    if (given === null) return null;
    id = given.text.trim();
  }
  const groups = form.names === undefined
    ? { name: found.text.trim() }
    : form.names.exec(found.text)?.groups;
  if (groups === undefined || !FUNCTION_NAME.test(groups.name)) return null;
  return { name: groups.name, id: groups.id ?? id };
}

/** The same of a form with the name in marks. */
export function* readNamedCall(
  scanner: Scanner,
  form: NamedForm,
  calls: CallLog,
): Reading<boolean> {
  const head = yield* readName(scanner, form);
  if (head === null) return false;
  yield* scanner.space();
  if (!(yield* isAtArguments(scanner))) return false;
  scanner.keep();
  yield calls.begin(head.name, head.id);
  yield* readArguments(scanner, calls);
  if (form.end === null) return true;
  yield* scanner.space();
  if (yield* scanner.accept("```")) yield* scanner.space();
  yield* scanner.acceptEnd(form.end);
  return true;
}
