import { assertMatch } from "@std/assert";
import { Buffer } from "node:buffer";
import type { Browser } from "playwright-core";
import { createApp } from "../../server/app.ts";
import { loadServedModel } from "../../server/cli/load_model.ts";
import { startServer } from "../../server/serve.ts";
import { ServerState } from "../../server/state.ts";
import { defaultModelPath } from "../support/default_model.ts";
import { ask, lastAnswer, openTab, pageTest } from "./browser.ts";

async function talks(browser: Browser): Promise<void> {
  const model = await loadServedModel(defaultModelPath(), { contextLength: 1024 });
  const state = new ServerState();
  state.setReady(model);
  const app = createApp({ state, modelId: "SmolLM2-135M-Instruct" });
  const server = await startServer({ app, state, hostname: "127.0.0.1", port: 0, keyCount: 0 });
  const { page, complaints, close } = await openTab(browser, {});
  page.setDefaultTimeout(60_000);
  try {
    await page.goto(server.url);
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByLabel("Temperature").fill("0");
    await page.getByLabel("Longest answer").fill("40");
    await page.getByRole("button", { name: "Save" }).click();
    await ask(page, "What is the capital of France?");
    assertMatch(await lastAnswer(page), /Paris/);
    // Longer than the window of raw tokens, so that blocks are sealed and can be seen.
    const text = (await Deno.readTextFile(new URL("../../LICENSE", import.meta.url))).slice(0, 900);
    const buffer = Buffer.from(text.repeat(2));
    const file = { name: "licence.txt", mimeType: "text/plain", buffer };
    await page.locator("#file-input").setInputFiles(file);
    await ask(page, "What may I do?");
    await page.getByRole("progressbar", { name: "Reading" }).waitFor();
    const meter = page.locator("#meter-server");
    await meter.getByText(/^\d\.\d\d× smaller$/).waitFor();
    await page.locator("article.assistant[aria-busy=false]").nth(1).waitFor();
    assertMatch(await meter.innerText(), /balanced \(k-step [\d.]+, v-step [\d.]+, sinks 4\)/);
    const own = await page.locator("#meter-conversation").innerText();
    assertMatch(own, /tokens held\s+\d+ of 1,024/);
    assertMatch(own, /writing\s+[\d.]+ tok\/s/);
    if (complaints.length > 0) throw new Error(complaints.join("\n"));
  } finally {
    await close();
    await server.stop();
  }
}

pageTest("the page before the real model", {
  "a question is answered, a file is read, and the meter shows real bytes": talks,
});
