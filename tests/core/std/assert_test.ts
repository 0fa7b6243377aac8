import * as a from "@std/assert";

/** Calls that must pass and calls that must fail, by name of the assertion. */
const CASES: Record<string, { passes: () => void; fails: () => void }> = {
  assert: { passes: () => a.assert(1), fails: () => a.assert("") },
  assertFalse: { passes: () => a.assertFalse(0), fails: () => a.assertFalse("x") },
  assertEquals: {
    passes: () => a.assertEquals({ x: [1, NaN], y: 2 }, { y: 2, x: [1, NaN] }),
    fails: () => a.assertEquals(Uint8Array.of(1), Uint8Array.of(2)),
  },
  assertNotEquals: {
    passes: () => a.assertNotEquals([1], [2]),
    fails: () => a.assertNotEquals([1], [1]),
  },
  assertStrictEquals: {
    passes: () => a.assertStrictEquals("a", "a"),
    fails: () => a.assertStrictEquals({}, {}),
  },
  assertNotStrictEquals: {
    passes: () => a.assertNotStrictEquals({}, {}),
    fails: () => a.assertNotStrictEquals(1, 1),
  },
  assertExists: { passes: () => a.assertExists(0), fails: () => a.assertExists(null) },
  assertInstanceOf: {
    passes: () => a.assertInstanceOf(new RangeError(), Error),
    fails: () => a.assertInstanceOf({}, Map),
  },
  assertAlmostEquals: {
    passes: () => a.assertAlmostEquals(1.05, 1, 0.1),
    fails: () => a.assertAlmostEquals(NaN, 1, 0.1),
  },
  assertGreater: { passes: () => a.assertGreater(2, 1), fails: () => a.assertGreater(1, 1) },
  assertGreaterOrEqual: {
    passes: () => a.assertGreaterOrEqual(1, 1),
    fails: () => a.assertGreaterOrEqual(NaN, 1),
  },
  assertLess: { passes: () => a.assertLess(1, 2), fails: () => a.assertLess(1, 1) },
  assertLessOrEqual: {
    passes: () => a.assertLessOrEqual(1, 1),
    fails: () => a.assertLessOrEqual(2, 1),
  },
  assertMatch: { passes: () => a.assertMatch("ab", /b$/), fails: () => a.assertMatch("ab", /a$/) },
  assertNotMatch: {
    passes: () => a.assertNotMatch("ab", /a$/),
    fails: () => a.assertNotMatch("ab", /b$/),
  },
  assertStringIncludes: {
    passes: () => a.assertStringIncludes("abc", "bc"),
    fails: () => a.assertStringIncludes("abc", "cb"),
  },
  assertArrayIncludes: {
    passes: () => a.assertArrayIncludes([{ x: 1 }, { x: 2 }], [{ x: 2 }]),
    fails: () => a.assertArrayIncludes([1], [1, 2]),
  },
  assertObjectMatch: {
    passes: () => a.assertObjectMatch({ x: { y: 1, z: 2 }, w: 3 }, { x: { y: 1 } }),
    fails: () => a.assertObjectMatch({ x: {} }, { x: { y: undefined } }),
  },
  fail: { passes: () => {}, fails: () => a.fail() },
  unreachable: { passes: () => {}, fails: () => a.unreachable() },
};

for (const [name, { passes, fails }] of Object.entries(CASES)) {
  Deno.test(`${name}() passes and fails where it should`, () => {
    passes();
    a.assertThrows(fails, a.AssertionError);
  });
}

Deno.test("assertThrows() fails if nothing, another class or another text is thrown", () => {
  const boom = () => {
    throw new RangeError("Cannot x: y");
  };
  a.assertStrictEquals(a.assertThrows(boom, RangeError, "x: y").message, "Cannot x: y");
  a.assertThrows(() => a.assertThrows(() => {}), a.AssertionError, "to throw");
  a.assertThrows(() => a.assertThrows(boom, TypeError), a.AssertionError, "TypeError");
  a.assertThrows(() => a.assertThrows(boom, RangeError, "z"), a.AssertionError, "include");
});

Deno.test("assertRejects() fails if nothing, another class or a synchronous error comes", async () => {
  const boom = () => Promise.reject(new RangeError("Cannot x: y"));
  await a.assertRejects(boom, RangeError, "x: y");
  await a.assertRejects(() => a.assertRejects(() => Promise.resolve()), a.AssertionError);
  await a.assertRejects(() => a.assertRejects(boom, TypeError), a.AssertionError, "TypeError");
  const throws = () => {
    throw new RangeError("at once");
  };
  await a.assertRejects(() => a.assertRejects(throws), a.AssertionError, "threw at once");
});

Deno.test("assertEquals() puts the message before the difference", () => {
  const error = a.assertThrows(() => a.assertEquals(1, 2, "row 7"), a.AssertionError);
  a.assertMatch(error.message, /^row 7: /);
});
