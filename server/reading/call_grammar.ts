/**
 * What an answer with calls must be, and how earlier calls are written, in the form of a model.
 *
 * @module
 */

import type { GrammarSpec } from "../../src/engine/types.ts";
import type {
  CallForm,
  CallPattern,
  HeaderForm,
  JsonForm,
  NamedForm,
  TaggedForm,
} from "./call_form.ts";
import { HERMES } from "./call_forms.ts";
import { parseJson } from "./json_value.ts";

/** A function, as a grammar needs it. */
export interface CallableFunction {
  name: string;
  parameters: Record<string, unknown>;
  /** Whether its arguments follow the schema exactly; otherwise they may be wider. */
  isStrict: boolean;
}

/** Whether calls may come, must come, and be several. */
export interface CallRule {
  callable: readonly CallableFunction[];
  isRequired: boolean;
  isParallel: boolean;
}

/** A JSON value that an answer without calls must be. */
export interface OtherAnswer {
  schema: string;
}

type PatternForm = Extract<CallForm, JsonForm | NamedForm>;

/** Whether a text says all of a call but its arguments, so that it can be written and held. */
export function hasPattern(form: CallForm): form is PatternForm {
  return form.kind === "json" || form.kind === "named";
}

/** What stands before and behind the arguments of a call. */
function aroundArguments({ call }: CallPattern, name: string, id: string): [string, string] {
  const [before, behind] = call.split("{arguments}");
  const fill = (text: string) => text.replace("{name}", name).replace("{id}", id);
  return [fill(before), fill(behind)];
}

/** What calls begin with; null if they look like text until they are there. */
function beginOf(form: PatternForm): string | null {
  return form.kind === "named" ? form.open || form.begin : form.begin;
}

/**
 * The form in which calls are asked for: if they must come, one that grammars can hold; if the
 * answer is JSON where they do not, one that cannot be mistaken for it.
 */
export function formFor(
  form: CallForm,
  { isRequired }: CallRule,
  otherwise: OtherAnswer | null = null,
): CallForm {
  if (!isRequired && otherwise === null) return form;
  if (!hasPattern(form)) return HERMES;
  return !isRequired && beginOf(form) === null ? HERMES : form;
}

/** The grammar of an answer; null where the form of the model has none. */
export function callGrammar(
  form: CallForm,
  { callable, isRequired, isParallel }: CallRule,
  options: {
    idLength: number | null;
    isSingleCall: boolean;
    otherwise?: OtherAnswer | null;
    /** What the answer stands behind: within a message there is no header. */
    prompt?: string;
  },
): Extract<GrammarSpec, { type: "tags" | "messages" }> | null {
  const { otherwise = null } = options;
  const isRepeated = isParallel && !options.isSingleCall;
  if (form.kind === "tagged" && !isRequired) return taggedGrammar(form, callable, isRepeated);
  if (form.kind === "headers" && !isRequired) {
    if (form.body !== null) return taggedGrammar(form.body, callable, isRepeated);
    const isWhole = options.prompt?.endsWith(form.start) ?? true;
    return isWhole ? messageGrammar(form, callable) : null;
  }
  if (!hasPattern(form)) return null;
  // Without a mark of its own, a call looks like text until it is there.
  const begin = beginOf(form);
  if (begin === null && !isRequired) return null;
  const id = crypto.randomUUID().replaceAll("-", "").slice(0, options.idLength ?? 24);
  return {
    type: "tags",
    tags: callable.map(({ name, parameters, isStrict }) => {
      const [before, behind] = aroundArguments(form, name, id);
      const schema = JSON.stringify({ type: "object", ...parameters });
      return { begin: before, name, schema, isStrict, end: behind };
    }),
    open: form.open,
    close: form.close,
    trigger: isRequired || otherwise ? null : begin,
    separator: form.separator,
    isRepeated,
    ...(otherwise && !isRequired ? { otherwise } : {}),
  };
}

/** The grammar of messages, of which the last may be a call. */
function messageGrammar(
  { written, ends: [end], start }: HeaderForm,
  callable: readonly CallableFunction[],
): Extract<GrammarSpec, { type: "messages" }> {
  const tags = callable.map(({ name, parameters, isStrict }) => {
    const [begin, ...otherBegins] = written.calls.map((each) => each.replace("{name}", name));
    const schema = JSON.stringify({ type: "object", ...parameters });
    return { begin, otherBegins, name, schema, isStrict, end: "" };
  });
  return { type: "messages", headers: written.texts, end, start, tags };
}

/** The grammar of calls whose arguments stand in marks. */
function taggedGrammar(
  form: TaggedForm,
  callable: readonly CallableFunction[],
  isRepeated: boolean,
): Extract<GrammarSpec, { type: "tags" }> {
  const { begin, behindName, end, beforeKey, behindKey, beforeValue, behindValue, around } = form;
  const hasAttributes = begin.endsWith('"') && !behindName?.startsWith('"');
  // Text may follow calls that may be several.
  const closings = isRepeated ? [] : around.filter((_, index) => index % 2 === 1);
  const members = { beforeKey, behindKey, beforeValue, behindValue, closings };
  const tags = callable.map(({ name, parameters }) => {
    const schema = JSON.stringify({ type: "object", ...parameters });
    const tag = { name, schema, end, members };
    return hasAttributes
      ? { ...tag, begin: `${begin}${name}"`, behindAttributes: behindName ?? "" }
      : { ...tag, begin: `${begin}${name}${behindName ?? ""}` };
  });
  return { type: "tags", tags, trigger: begin, separator: "", isRepeated };
}

/** A value of JSON as Python writes it. */
function toPython(value: unknown): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(toPython).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).map(([key, each]) => {
    return `${JSON.stringify(key)}: ${toPython(each)}`;
  });
  return `{${members.join(", ")}}`;
}

/** A call as Python writes it; null if its arguments have no names. */
function toExpression({ name, arguments: args }: { name: string; arguments: string }) {
  const value = parseJson(args);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const named = Object.entries(value).map(([key, each]) => `${key}=${toPython(each)}`);
  return `${name}(${named.join(", ")})`;
}

/** Earlier calls as the text that the model wrote. */
export function writeCalls(
  form: CallForm,
  calls: readonly { id: string; name: string; arguments: string }[],
): string {
  const expressions = form.kind === "python" ? calls.map(toExpression) : [];
  if (expressions.length > 0 && form.kind === "python" && !expressions.includes(null)) {
    return `${form.begin}[${expressions.join(", ")}]${form.end}`;
  }
  const pattern = hasPattern(form) ? form : HERMES;
  const texts = calls.map(({ id, name, arguments: args }) =>
    aroundArguments(pattern, name, id).join(args)
  );
  return `${pattern.open}${texts.join(pattern.separator)}${pattern.close}`;
}
