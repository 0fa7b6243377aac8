/** Chat templates of real models, rendered as Jinja in Python renders them. */

import { assertEquals } from "@std/assert";
import { JinjaTemplate } from "../../../src/tokenizer/jinja/template.ts";
import { sharedFile } from "../../support/shared.ts";

interface Case {
  template: string;
  case: string;
  add_generation_prompt: boolean;
  messages: unknown[];
  tools: unknown[] | null;
  /** What the template gives. */
  text?: string;
  /** Or what is said where it gives nothing. */
  refused?: string;
}

/** When the golden texts were made. */
const NOW = new Date(2026, 10, 28, 12, 0);

/** The reference does not know this tag, which marks the answers that a model is trained on. */
const WITHOUT_TAG = "Encountered unknown tag 'generation'";

function render(template: JinjaTemplate, golden: Case): { text: string } | { refused: string } {
  try {
    const text = template.render({
      messages: golden.messages,
      tools: golden.tools ?? undefined,
      add_generation_prompt: golden.add_generation_prompt,
      bos_token: "<bos>",
      eos_token: "<eos>",
    }, NOW);
    return { text };
  } catch (error) {
    return { refused: (error as Error).message };
  }
}

Deno.test("render() gives every golden text of 70 templates, and refuses in the template's words", () => {
  const path = sharedFile("golden/templates/templates.json");
  if (path === null) return;
  const cases: Case[] = JSON.parse(Deno.readTextFileSync(path));
  const counts = { text: 0, refused: 0, withTag: 0 };
  for (const [name, group] of Map.groupBy(cases, ({ template }) => template)) {
    const template = new JinjaTemplate(Deno.readTextFileSync(path.replace("templates.json", name)));
    for (const golden of group) {
      const result = render(template, golden);
      const where = `${name}, ${golden.case}`;
      if (golden.text !== undefined) {
        assertEquals(result, { text: golden.text }, where);
        counts.text++;
      } else if (golden.refused!.startsWith(WITHOUT_TAG)) {
        counts.withTag++;
      } else {
        assertEquals(result, { refused: golden.refused! }, where);
        counts.refused++;
      }
    }
  }
  assertEquals(counts, { text: 555, refused: 39, withTag: 36 });
});
