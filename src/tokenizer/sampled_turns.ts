/**
 * Earlier answers that stand in a prompt as they were sampled: the template writes a mark in place
 * of each, and their tokens take the place of what it wrote.
 *
 * @module
 */

/** The content that stands for answer `index`. */
export function turnMark(mark: string, index: number): string {
  return `${mark}${index}${mark}`;
}

/**
 * What a template wrote around `count` answers: `count + 1` texts. Null unless each mark stands
 * there once, in order.
 */
export function splitAtTurns(rendered: string, mark: string, count: number): string[] | null {
  const pieces: string[] = [];
  let rest = rendered;
  for (let index = 0; index < count; index++) {
    const [before, ...behind] = rest.split(turnMark(mark, index));
    if (behind.length !== 1) return null;
    pieces.push(before);
    rest = behind[0];
  }
  pieces.push(rest);
  return pieces.some((piece) => piece.includes(mark)) ? null : pieces;
}

/** What a template writes where an answer is asked for. */
export interface Opening {
  /** All of it, empty if answers follow questions without a mark. */
  text: string;
  /** The first characters of it that no question begins with, up to the end of a word. */
  sign: string;
}

/**
 * The opening of a template.
 *
 * @param asking A question, rendered with an answer asked for.
 * @param ended The same without.
 * @returns Null if an answer begins like a question.
 */
export function openingOf(asking: string, ended: string): Opening | null {
  let common = 0;
  while (common < asking.length && asking[common] === ended[common]) common++;
  const text = asking.slice(common);
  if (text === "") return { text, sign: "" };
  let length = 1;
  while (ended.includes(text.slice(0, length))) {
    if (length++ === text.length) return null;
  }
  // The whole word, so that it is not found within itself.
  while (/\w/.test(text[length] ?? "")) length++;
  return { text, sign: text.slice(0, length) };
}

/**
 * The text before an answer as it was when the answer was sampled: up to where the template now
 * begins it, and the beginning that it wrote then, which may differ in marks of thoughts. Null if
 * the template does not begin it at all.
 *
 * @param before What the template now writes before the answer, from the answer before it on.
 */
export function textBeforeTurn(before: string, { text, sign }: Opening): string | null {
  if (text === "") return before.trimEnd();
  const at = before.lastIndexOf(sign);
  return at < 0 ? null : before.slice(0, at) + text;
}
