/**
 * What templates do as in Python: the texts of `python_cases.json` are those of Jinja2 3.1.6 with
 * the settings that Hugging Face has.
 */

import { assertEquals, assertThrows } from "@std/assert";
import { strftime } from "../../../src/tokenizer/jinja/strftime.ts";
import { JinjaTemplate } from "../../../src/tokenizer/jinja/template.ts";

interface Case {
  source: string;
  text?: string;
  refused?: string;
}

const url = new URL("python_cases.json", import.meta.url);
const { variables, cases } = JSON.parse(Deno.readTextFileSync(url)) as {
  variables: Record<string, unknown>;
  cases: Case[];
};

Deno.test("render() gives what Jinja in Python gives, and refuses what it refuses", () => {
  for (const { source, text, refused } of cases) {
    const render = () => new JinjaTemplate(source).render(variables);
    if (refused === undefined) assertEquals(render(), text, source);
    else assertEquals(assertThrows(render, Error).message, refused, source);
  }
});

Deno.test("render() does not let a template reach what is JavaScript's", () => {
  for (const source of ["{{ d.constructor }}", "{{ d['__proto__'] }}", "{{ s.toString }}"]) {
    assertEquals(new JinjaTemplate(source).render(variables), "", source);
  }
  for (const source of ["{{ s | constructor }}", "{{ s is toString }}"]) {
    assertThrows(() => new JinjaTemplate(source).render(variables), Error, "No ");
  }
});

Deno.test("strftime() writes dates as Python does, in English", () => {
  const date = new Date(2026, 2, 5, 15, 4, 9);
  const cases = [
    ["%d %b %Y", "05 Mar 2026"],
    ["%A, %B %-d, %y", "Thursday, March 5, 26"],
    ["%I:%M:%S %p, %H%%, day %j", "03:04:09 PM, 15%, day 064"],
    ["%F %T %Q", "2026-03-05 15:04:09 %Q"],
  ];
  for (const [format, text] of cases) assertEquals(strftime(date, format), text);
});
