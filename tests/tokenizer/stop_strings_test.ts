import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { StopMatcher } from "../../src/tokenizer/stop_strings.ts";

/** Texts given out for `pieces`, and the flush unless it stopped. */
function run(stops: readonly string[], pieces: readonly string[]) {
  const matcher = new StopMatcher(stops);
  const texts: string[] = [];
  for (const piece of pieces) {
    const { text, stopped } = matcher.push(piece);
    texts.push(text);
    if (stopped) return { texts, stopped };
  }
  texts.push(matcher.flush());
  return { texts, stopped: false };
}

const CASES: {
  stops: string[];
  pieces: string[];
  texts: string[];
  stopped: boolean;
  why: string;
}[] = [
  { stops: [], pieces: ["a", "b"], texts: ["a", "b", ""], stopped: false, why: "no stops" },
  { stops: ["b"], pieces: ["abc"], texts: ["a"], stopped: true, why: "inside a piece" },
  {
    stops: ["END"],
    pieces: ["x", "E", "N", "D"],
    texts: ["x", "", "", ""],
    stopped: true,
    why: "over pieces",
  },
  {
    stops: ["END"],
    pieces: ["xE", "N", "x"],
    texts: ["x", "", "ENx", ""],
    stopped: false,
    why: "a false start",
  },
  { stops: ["END"], pieces: ["EEN", "D"], texts: ["E", ""], stopped: true, why: "a restart" },
  {
    stops: ["aab"],
    pieces: ["aa", "ab"],
    texts: ["", "a"],
    stopped: true,
    why: "overlapping starts",
  },
  { stops: ["END"], pieces: ["E"], texts: ["", "E"], stopped: false, why: "held until the flush" },
  {
    stops: ["long stop", "g"],
    pieces: ["xlong"],
    texts: ["xlon"],
    stopped: true,
    why: "first complete",
  },
  { stops: ["xabc", "b"], pieces: ["xabc"], texts: ["xa"], stopped: true, why: "inside another" },
  { stops: ["bc", "abc"], pieces: ["abc"], texts: [""], stopped: true, why: "longest of an end" },
  { stops: ["c", "a"], pieces: ["xaxc"], texts: ["x"], stopped: true, why: "leftmost in a piece" },
  { stops: ["😀"], pieces: ["é", "😀"], texts: ["é", ""], stopped: true, why: "beyond the BMP" },
  {
    stops: ["\n\n"],
    pieces: ["a\n", "b\n", "\n"],
    texts: ["a", "\nb", ""],
    stopped: true,
    why: "line feeds",
  },
];

for (const { stops, pieces, texts, stopped, why } of CASES) {
  Deno.test(`push() cuts ${JSON.stringify(pieces)} at ${JSON.stringify(stops)} (${why})`, () => {
    assertEquals(run(stops, pieces), { texts, stopped });
  });
}

Deno.test("push() gives nothing after a stop, and flush() neither", () => {
  const matcher = new StopMatcher(["b"]);
  assertEquals(matcher.push("abc"), { text: "a", stopped: true });
  assertEquals(matcher.push("d"), { text: "", stopped: true });
  assertEquals(matcher.flush(), "");
});

Deno.test("StopMatcher refuses an empty stop string", () => {
  assertThrows(() => new StopMatcher(["a", ""]), RangeError);
});

Deno.test("push() gives the same text however it is cut, and no stop string in it", () => {
  const letters = fc.constantFrom("a", "b", "c");
  const word = fc.array(letters, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(""));
  const stops = fc.array(word, { maxLength: 3 });
  const pieces = fc.array(fc.array(letters, { maxLength: 5 }).map((parts) => parts.join("")));
  fc.assert(fc.property(stops, pieces, (stopStrings, parts) => {
    const cut = run(stopStrings, parts);
    const whole = run(stopStrings, [parts.join("")]);
    assertEquals(cut.texts.join(""), whole.texts.join(""));
    assertEquals(cut.stopped, whole.stopped);
    for (const stop of stopStrings) assert(!cut.texts.join("").includes(stop), stop);
    assertEquals(cut.stopped, stopStrings.some((stop) => parts.join("").includes(stop)));
  }));
});

Deno.test("push() holds back no more than the start of a stop string", () => {
  const matcher = new StopMatcher(["abcd"]);
  let given = "";
  const text = "xabyabcabcxxab";
  for (let i = 0; i < text.length; i++) {
    given += matcher.push(text[i]).text;
    const held = text.slice(given.length, i + 1);
    assert("abcd".startsWith(held) && text.startsWith(given), `held ${JSON.stringify(held)}`);
  }
  assertEquals(given + matcher.flush(), text);
});
