import { eventually } from "../support/waiting.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
import type { Browser } from "playwright-core";
import { type FakeScript, tokensOf } from "../support/fake_engine.ts";
import { ask, lastAnswer, pageTest, visit } from "./browser.ts";

const TEXT = "All happy families are alike. ".repeat(40);
const options = { info: { contextLength: 4000 } };

function textFile(name: string, content: string | Uint8Array) {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return { name, mimeType: "text/plain", buffer: Buffer.from(bytes) };
}

/** Reads the prompt in four slices, and then answers. */
const reading: FakeScript = ({ promptIds }) => [
  ...[0.25, 0.5, 0.75].flatMap((share) => [
    { waitMs: 50 },
    { prefilledCount: Math.floor(promptIds.length * share) },
  ]),
  { waitMs: 50 },
  ...tokensOf("A novel."),
];

/** Keeps every state of the reading bar, however fast it goes by. */
const RECORD_BAR = `
  globalThis.seen = [];
  const bar = document.getElementById("reading-bar");
  const note = () => {
    if (bar.value === seen.at(-1)?.value) return;
    seen.push({ text: document.getElementById("reading-text").textContent, value: bar.value });
  };
  new MutationObserver(note).observe(bar, { attributes: true });
`;

const REFUSED: [string, string | Uint8Array, RegExp][] = [
  ["a binary file", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0xff, 0xfe), /is no text file/],
  ["a file with NUL", "a\0b", /is no text file/],
  ["an empty file", "  \n", /is empty/],
  ["a file of 13 MB", "x".repeat(13 * 2 ** 20), /is too large.*12\.6 MB at most/s],
];

pageTest("the page gives text files to the model", {
  "a chosen file is counted, read with a progress bar, and kept as a chip": (browser) =>
    visit(browser, reading, {
      options,
      work: async ({ page, engine }) => {
        await page.locator("#file-input").setInputFiles(textFile("anna.txt", TEXT));
        await page.locator("#file").getByText("1.20 kB, 1,200 tokens").waitFor();
        await page.evaluate(RECORD_BAR);
        await ask(page, "What is this?");
        assertEquals(await lastAnswer(page), "A novel.");
        assertEquals(await page.getByRole("progressbar").isVisible(), false);
        const seen = await page.evaluate("seen") as { text: string; value: number }[];
        assertEquals(seen.length >= 3, true, JSON.stringify(seen));
        for (const [index, { text, value }] of seen.entries()) {
          assertMatch(
            text,
            /^Reading [\d,]+ of 1,2\d\d tokens, [\d,.]+ tok\/s, about \d+ s left$/,
          );
          assert(index === 0 || value > seen[index - 1].value, JSON.stringify(seen));
        }
        await page.locator("article.user").getByText("anna.txt").waitFor();
        const text = new TextDecoder().decode(Uint8Array.from(engine.requests[0].promptIds));
        assertStringIncludes(text, `[user]File anna.txt:\n\n${TEXT.trimEnd()}\n\nWhat is this?[`);
      },
    }),

  "a dropped file is taken, and can be taken off again": (browser) =>
    visit(browser, reading, {
      options,
      work: async ({ page }) => {
        const transfer = await page.evaluateHandle(
          `(() => {
            const transfer = new DataTransfer();
            transfer.items.add(new File(["some text"], "drop.txt"));
            return transfer;
          })()`,
        );
        await page.dispatchEvent("main", "dragover", { dataTransfer: transfer });
        await page.getByText("Drop a text file to give it").waitFor();
        await page.dispatchEvent("main", "drop", { dataTransfer: transfer });
        await page.locator("#file").getByText("drop.txt").waitFor();
        await page.getByRole("button", { name: "Remove the file" }).click();
        assertEquals(await page.locator("#file").isVisible(), false);
      },
    }),

  "stop works while the file is still being read": (browser) =>
    visit(browser, () => [{ prefilledCount: 300 }, "hang"], {
      options,
      work: async ({ page, engine }) => {
        await page.locator("#file-input").setInputFiles(textFile("a.txt", TEXT));
        await ask(page, "Sum up");
        await page.getByRole("progressbar", { name: "Reading" }).waitFor();
        await page.getByRole("button", { name: "Stop the answer" }).click();
        await page.locator("article.assistant footer").getByText("stopped").waitFor();
        await page.getByRole("progressbar").waitFor({ state: "hidden" });
        // The server hears of it a moment after the page has let go.
        await eventually(() => engine.abortedCount === 1);
      },
    }),

  ...Object.fromEntries(REFUSED.map(([what, content, message]) => [
    `${what} is refused in words`,
    (browser: Browser) =>
      visit(browser, reading, {
        work: async ({ page }) => {
          await page.locator("#file-input").setInputFiles(textFile("x.bin", content));
          await page.getByRole("alert").getByText(message).first().waitFor();
          assertEquals(await page.locator("#file").isVisible(), false);
        },
      }),
  ])),
});
