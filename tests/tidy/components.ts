/** Which parts of what threads share they may store. */

import { pathsLike, type Sources } from "./sources.ts";

const STORAGE = /var<storage, read_write> (\w+):/g;
/** A store to an element of an element, and the variable that both are of. */
const STORE = /^\s*(\w+)\b[^=]*\]\[[^=]*\]\s*(?:(?:[-+*/%&|^]|<<|>>)?=(?!=)|\+\+|--)/;

/**
 * Stores to a component of a vector in storage whose index is computed. To WGSL that is an access
 * to the whole vector, and Metal may store it whole: what another thread stores beside it is lost.
 */
export function componentViolations(sources: Sources): string[] {
  const paths = pathsLike(sources, /\.wgsl$/);
  const names = new Set(
    paths.flatMap((path) => [...sources.get(path)!.matchAll(STORAGE)].map(([, name]) => name)),
  );
  return paths.flatMap((path) =>
    sources.get(path)!.split("\n").flatMap((line, index) => {
      const name = STORE.exec(line)?.[1];
      if (name === undefined || !names.has(name)) return [];
      return [`${path}:${index + 1}: "${line.trim()}": bind it as words, and store one of them`];
    })
  );
}
