/**
 * Grammars that an answer must follow, and the messages of the worker that knows them.
 *
 * @module
 */

import { DRAFT_COUNT_MAX } from "../core/shapes.ts";

/** Thoughts that may come before what a grammar says. */
export interface GrammarReasoning {
  /** What they begin with; null: they have begun, and must end. */
  open: string | null;
  /** What they end with. */
  close: string;
}

/** A value of a JSON schema. */
export interface GrammarValue {
  /** Written as JSON. */
  schema: string;
  /**
   * True, the default: followed exactly, or refused; objects are closed unless the schema says
   * otherwise. False: what a grammar cannot hold is left out, and objects are open as JSON Schema
   * has it.
   */
  isStrict?: boolean;
}

/** What text an answer may be. */
export type GrammarSpec =
  & { reasoning?: GrammarReasoning | null }
  & (
    | { type: "json_schema" } & GrammarValue
    | {
      /** Parts between given texts that hold values of JSON schemas. */
      type: "tags";
      tags: readonly GrammarTag[];
      /** With it any text may stand before it begins a part; null: there is nothing but parts. */
      trigger: string | null;
      /** Stand before the first part and behind the last; empty if left out. */
      open?: string;
      close?: string;
      /** Stands between parts if there is nothing else. */
      separator: string;
      /** Whether more than one part may come. */
      isRepeated: boolean;
      /** A value that may come in the place of all parts; only without a trigger. */
      otherwise?: GrammarValue | null;
    }
    | {
      /** Messages, each with a header: texts, and in the end a text or one of the parts. */
      type: "messages";
      /** Headers of texts. */
      headers: readonly string[];
      /** Stands behind a text, and what begins the next message behind that. */
      end: string;
      start: string;
      tags: readonly GrammarTag[];
    }
  );

/** Marks of members of an object that is not written as JSON. */
export interface MemberMarks {
  /** Stands before the name of a member. */
  beforeKey: string;
  /** Stands behind it. */
  behindKey: string;
  /** Stands before the value; empty if there is nothing. */
  beforeValue: string;
  /** Stands behind it; with `{key}` in it, values of objects and lists stand in marks too. */
  behindValue: string;
  /** One of these may come behind the end of the part. */
  closings: readonly string[];
}

/** One kind of part. */
export interface GrammarTag {
  /** What it begins with. */
  begin: string;
  /** What else it may begin with. */
  otherBegins?: readonly string[];
  /** Stands behind the beginning, with attributes between them; nothing if left out. */
  behindAttributes?: string;
  /** What messages call it. */
  name?: string;
  /** Of what it holds. */
  schema: string;
  /** As of the schema of a whole answer; true by default. */
  isStrict?: boolean;
  /** What it ends with. */
  end: string;
  /** How it is written if not as JSON; of its schema, what a value is, is held then. */
  members?: MemberMarks;
}

/** What a worker needs to know of the vocabulary. */
export interface GrammarVocabulary {
  /** Texts in the byte alphabet by id; empty for tokens that are no text. */
  tokens: readonly string[];
  eosIds: readonly number[];
}

/** From the main thread to a grammar worker. */
export type ToGrammarWorker =
  | { type: "load"; vocabulary: GrammarVocabulary }
  | {
    type: "open";
    sessionId: number;
    spec: GrammarSpec;
    port: MessagePort;
    shared: SharedArrayBuffer;
  }
  | { type: "close"; sessionId: number };

/** From a grammar worker to the main thread. */
export type FromGrammarWorker =
  | { type: "opened"; sessionId: number }
  | {
    type: "failed";
    sessionId: number;
    message: string;
    /** Whether the worker can still compile others. */
    isUsable: boolean;
  };

/** From the GPU worker to a grammar worker. */
export interface ToGrammarSession {
  /** Tokens that came. */
  ids: readonly number[];
  /** Guesses of those that follow. */
  draftIds: readonly number[];
}

/** Words before the masks in the memory a session shares. */
export const SHARED_HEADER_WORDS = 4;
/** Masks in it: of the next token, and of those behind guesses. */
export const SHARED_MASK_COUNT_MAX = 1 + DRAFT_COUNT_MAX;
/** Word that counts the messages answered so far, and the first mask. */
export const SHARED_MASK_COUNT = 0;
/** Word that is 1 once a token was not allowed. */
export const SHARED_IS_LOST = 1;
