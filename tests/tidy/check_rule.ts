/** How a rule is tested. */

import { assertEquals, assertMatch } from "@std/assert";
import { makeSources, type Sources } from "./sources.ts";

/** What finds faults in sources. */
export type Rule = (sources: Sources) => string[];

/** A rule finds exactly this in a small repository; null: nothing. */
export function ruleTest(
  claim: string,
  [rule, texts, expected]: [Rule, Record<string, string>, RegExp | null],
): void {
  Deno.test(claim, () => {
    const found = rule(makeSources(texts));
    assertEquals(found.length, expected === null ? 0 : 1, found.join("\n"));
    if (expected !== null) assertMatch(found[0], expected);
  });
}
