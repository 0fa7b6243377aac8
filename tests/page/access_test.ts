import { assert, assertEquals } from "@std/assert";
import axe from "axe-core";
import type { Browser, Page } from "playwright-core";
import { type FakeScript, tokensOf } from "../support/fake_engine.ts";
import { ask, lastAnswer, pageTest, visit } from "./browser.ts";

const ANSWER = "# Title\n\nText with a [link](https://example.org).\n\n```js\nlet x;\n```\n";
const script: FakeScript = () => tokensOf(ANSWER);
const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true };
const info = { contextLength: 1000 };

/** What axe finds wrong with the page as it is, WCAG 2.2 AA and best practices. */
async function faultsOf(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate("axe.run(document)") as axe.AxeResults;
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}

/** Presses Tab until what has the focus is called `name`; fails after going round. */
async function tabTo(page: Page, name: string, key = "Tab"): Promise<void> {
  const seen: string[] = [];
  for (let count = 0; count < 40; count++) {
    await page.keyboard.press(key);
    const label = await page.evaluate(
      "(document.activeElement.ariaLabel ?? document.activeElement.labels?.[0]?.textContent ?? " +
        "document.activeElement.textContent).trim()",
    ) as string;
    seen.push(label);
    if (label === name) return;
  }
  throw new Error(`Cannot reach ${name} by keyboard: went through ${seen.join(", ")}`);
}

const LOOKS = [
  ["light", "desktop", {}],
  ["dark", "desktop", {}],
  ["light", "phone", PHONE],
  ["dark", "phone", PHONE],
] as const;

pageTest("the page can be used by everyone", {
  ...Object.fromEntries(LOOKS.map(([colorScheme, device, tab]) => [
    `axe finds nothing wrong in ${colorScheme} on a ${device}, also in settings`,
    (browser: Browser) =>
      visit(browser, script, {
        options: { info, tab: { ...tab, colorScheme } },
        work: async ({ page }) => {
          assertEquals(await faultsOf(page), []);
          await page.getByLabel("Your message").fill("Q");
          await page.getByRole("button", { name: "Send" }).click();
          await lastAnswer(page);
          assertEquals(await faultsOf(page), []);
          await page.getByRole("button", { name: "Settings" }).click();
          assertEquals(await faultsOf(page), []);
        },
      }),
  ])),

  "a conversation needs no mouse: ask, stop, retry, new, open, delete, settings": (browser) =>
    visit(browser, (_, callIndex) => callIndex === 0 ? ["hang"] : tokensOf("Done"), {
      work: async ({ page, engine }) => {
        // The cursor waits in the message.
        await page.keyboard.type("First line");
        await page.keyboard.press("Shift+Enter");
        await page.keyboard.type("second");
        await page.keyboard.press("Enter");
        await page.locator("article.assistant[aria-busy=true]").waitFor();
        await page.keyboard.press("Escape");
        await page.locator("article.assistant footer").getByText("stopped").waitFor();
        await tabTo(page, "Answer again", "Shift+Tab");
        await page.keyboard.press("Enter");
        assertEquals(await lastAnswer(page), "Done");
        assertEquals(engine.requests.length, 2);
        await tabTo(page, "New conversation");
        await page.keyboard.press("Enter");
        await page.getByText("Ask something").waitFor();
        assertEquals(await page.evaluate("document.activeElement.id"), "prompt");
        await tabTo(page, "First line second");
        await page.keyboard.press("Enter");
        await page.getByText("Done").waitFor();
        await tabTo(page, "Delete “First line second”");
        await page.keyboard.press("Enter");
        await tabTo(page, "Delete");
        await page.keyboard.press("Enter");
        await page.getByText("Ask something").waitFor();
        await tabTo(page, "Settings");
        await page.keyboard.press("Enter");
        await page.getByRole("dialog", { name: "Settings" }).waitFor();
        await page.keyboard.press("Escape");
        await page.getByRole("dialog", { name: "Settings" }).waitFor({ state: "hidden" });
        assertEquals(await page.evaluate("document.activeElement.id"), "open-settings");
      },
    }),

  "a screen reader hears of the answer when it is whole, and how it ended": (browser) =>
    visit(browser, () => [...tokensOf("One"), { waitMs: 400 }, ...tokensOf(" two")], {
      work: async ({ page }) => {
        await ask(page, "Q");
        const log = page.getByRole("log", { name: "Conversation" });
        await log.locator("[aria-busy=true]").waitFor();
        assertEquals(await page.getByRole("status").innerText(), "");
        await lastAnswer(page);
        assertEquals(await page.getByRole("status").innerText(), "Answer finished, 7 tokens");
      },
    }),

  "on a phone nothing is too wide or too small, and list and meter open": (browser) =>
    visit(browser, script, {
      options: { info, tab: PHONE },
      work: async ({ page }) => {
        await page.getByLabel("Your message").fill("W".repeat(400));
        await page.getByRole("button", { name: "Send" }).tap();
        await lastAnswer(page);
        const width = await page.evaluate("document.documentElement.scrollWidth");
        assertEquals(width, PHONE.viewport.width);
        const buttons = page.locator("button:visible");
        for (const button of await buttons.all()) {
          const box = await button.boundingBox();
          const name = await button.getAttribute("aria-label") ?? await button.innerText();
          assert(box !== null && box.height >= 44, `${name} is ${box?.height} pixels high`);
        }
        await page.getByRole("button", { name: /tok\/s/ }).tap();
        await page.getByText("tokens held").waitFor();
        await page.getByRole("button", { name: "Conversations" }).tap();
        await page.getByRole("button", { name: "New conversation" }).tap();
        await page.getByText("Ask something").waitFor();
        await page.locator("#side").waitFor({ state: "hidden" });
      },
    }),

  "the colours of the settings win over those of the system": (browser) =>
    visit(browser, script, {
      options: { tab: { colorScheme: "light" } },
      work: async ({ page }) => {
        const paper = () => page.evaluate("getComputedStyle(document.body).backgroundColor");
        const light = await paper();
        await page.getByRole("button", { name: "Settings" }).click();
        await page.getByLabel("Colours").selectOption("dark");
        await page.getByRole("button", { name: "Save" }).click();
        const dark = await paper();
        assert(light !== dark, `${light} and ${dark}`);
        await page.reload();
        assertEquals(await paper(), dark);
      },
    }),
});
