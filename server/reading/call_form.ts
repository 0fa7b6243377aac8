/**
 * What a form of calls may be. The forms themselves are rows of `call_forms.ts`.
 *
 * @module
 */

/** Where the name, the arguments and what else differs stand in the text of a call. */
export interface CallPattern {
  /** Stands before the first call, between calls, and behind the last. */
  open: string;
  separator: string;
  close: string;
  /** A call, with `{name}` and `{arguments}`, and `{id}` where the form has one. */
  call: string;
}

/** Calls as JSON objects, alone, one behind the other, or in a list. */
export interface JsonForm extends CallPattern {
  kind: "json";
  /** Where calls begin; without a mark they begin where the answer does. */
  begin: string | null;
  end: string | null;
  /** Members that hold the name and the arguments; without, the name of the member is the name. */
  members: { name: string; arguments: string; id?: string } | null;
}

/** A name in marks, and arguments as JSON. */
export interface NamedForm extends CallPattern {
  kind: "named";
  begin: string;
  /** Stands between name and arguments. */
  behindName: readonly string[];
  /** Stands between an id that comes first and the name. */
  behindId?: string;
  end: string | null;
  /** Reads name and id out of what stands where the name does. */
  names?: RegExp;
}

/** A name in marks, and each argument in marks of its own. */
export interface TaggedForm {
  kind: "tagged";
  begin: string;
  /** Ends the name; without, the next mark does. */
  behindName: string | null;
  end: string;
  beforeKey: string;
  behindKey: string;
  beforeValue: string;
  /** With `{key}` in it if the mark has the name of the argument. */
  behindValue: string;
  /** May stand around a value. */
  quotes?: readonly [string, string];
  /** Whether a line feed stands on both sides of a value. */
  isPadded?: boolean;
  /** Marks around all calls. */
  around: readonly string[];
}

/** Calls as expressions: Python's, or Gemma's own. */
export interface ExpressionForm {
  kind: "python" | "gemma";
  begin: string;
  end: string;
}

/** Messages with a header that says to whom they are. */
export interface HeaderForm {
  kind: "headers";
  /** Begins a message; the prompt ends with it. */
  start: string;
  /** Ends the header. */
  behindHeader: string;
  ends: readonly string[];
  /** Finds the name of a function in a header. */
  call: RegExp;
  /** Whether a header is one of thoughts. */
  reasoning: RegExp;
  /** Marks of the calls within a message, if they are not its JSON text. */
  body: TaggedForm | null;
  /** Whole headers as they may be written: of texts, and with `{name}` of calls, for grammars. */
  written: { texts: readonly string[]; calls: readonly string[] };
}

/** What a form may be. */
export type CallForm =
  & { name: string; /** Texts that templates of it have. */ signs: string[] }
  & (
    | JsonForm
    | NamedForm
    | TaggedForm
    | ExpressionForm
    | HeaderForm
  );
