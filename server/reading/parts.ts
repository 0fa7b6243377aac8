/**
 * What an answer is made of.
 *
 * @module
 */

/** A piece of an answer, as a reader finds it. */
export type Part =
  /** Text for the user. */
  | { type: "content"; text: string }
  /** Thoughts of the model. */
  | { type: "reasoning"; text: string }
  /** A call begins. */
  | { type: "call"; callIndex: number; id: string; name: string }
  /** More of its arguments, JSON text. */
  | { type: "arguments"; callIndex: number; text: string };

/** A piece with the characters of the answer that it stands for. */
export type SizedPart =
  | (Part & { length: number })
  /** Characters that are no part of the answer: marks, and space beside them. */
  | { type: "markup"; length: number };

/** Says that a reading needs more of the answer. */
export const MORE = Symbol("more");

/** A reading in progress: gives pieces, or waits. */
export type Reading<T = void> = Generator<Part | typeof MORE, T, void>;
