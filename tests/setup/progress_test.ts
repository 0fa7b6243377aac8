import { assertEquals } from "@std/assert";
import { formatMegabytes, ProgressLine } from "../../server/setup/progress.ts";

function record(isTerminal: boolean) {
  const clock = { ms: 0 };
  const written: string[] = [];
  const line = new ProgressLine({
    write: (text) => written.push(text),
    isTerminal,
    columnCount: 20,
    now: () => clock.ms,
  });
  const at = (ms: number, message: string, fraction?: number) => {
    clock.ms = ms;
    line.update(message, fraction);
  };
  return { line, written, at };
}

Deno.test("ProgressLine writes over its line at most ten times a second on a terminal", () => {
  const { line, written, at } = record(true);
  at(0, "fetching", 0);
  at(50, "fetching", 0.1);
  at(120, "fetching", 0.256);
  line.finish("done");
  assertEquals(written, [
    "\r\x1b[Kfetching 0%",
    "\r\x1b[Kfetching 25%",
    "\r\x1b[K",
    "done\n",
  ]);
});

Deno.test("ProgressLine never writes past the last column of a terminal", () => {
  const { written, at } = record(true);
  at(0, "x".repeat(40));
  assertEquals(written, [`\r\x1b[K${"x".repeat(19)}`]);
});

Deno.test("ProgressLine prints a line every 3 s, none in the first second, off a terminal", () => {
  const { line, written, at } = record(false);
  at(500, "fetching", 0.1);
  at(1000, "fetching", 0.2);
  at(3900, "fetching", 0.5);
  at(4000, "fetching", 0.6);
  line.finish();
  assertEquals(written, ["fetching 20%\n", "fetching 60%\n"]);
});

Deno.test("ProgressLine prints the same text once", () => {
  const { written, at } = record(false);
  at(1000, "checking");
  at(9000, "checking");
  assertEquals(written, ["checking\n"]);
});

Deno.test("formatMegabytes() uses decimal megabytes", () => {
  assertEquals(formatMegabytes(98_362_432), "98.4 MB");
});
