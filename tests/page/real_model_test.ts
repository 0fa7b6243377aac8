import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
import type { Browser, Page } from "playwright-core";
import { createApp } from "../../server/app.ts";
import { loadServedModel } from "../../server/cli/load_model.ts";
import { startServer } from "../../server/serve.ts";
import { formatBytes, formatRatio } from "../../server/page/format.mjs";
import { ServerState } from "../../server/state.ts";
import { defaultModelPath } from "../support/default_model.ts";
import { ask, lastAnswer, openTab, pageTest } from "./browser.ts";

/** As long as an answer may be: the last one is. */
const ANSWER_TOKEN_COUNT = 40;

/** What the page is told by the server. */
function listen(page: Page) {
  const told = { slots: [] as Slot[], props: [] as Props[] };
  page.on("response", async (response) => {
    const { pathname } = new URL(response.url());
    if (pathname.endsWith("/slots")) told.slots.push(...await response.json());
    else if (pathname.endsWith("/props")) told.props.push(await response.json());
  });
  return told;
}

interface Slot {
  is_processing: boolean;
  n_prompt_tokens: number;
  n_prompt_tokens_cache: number;
  kv_bytes: { raw: number; packed: number };
}

interface Props {
  memory: { cache_bytes: { raw: number; packed: number }; device_bytes: number };
}

/** What the meter shows of the conversation is what the server said of it. */
async function checkMeter(page: Page, told: ReturnType<typeof listen>): Promise<void> {
  const slots: Slot[] = await (await fetch(new URL("slots", page.url()))).json();
  const [last] = slots.filter((slot) => slot.n_prompt_tokens > 0);
  const { n_prompt_tokens, n_prompt_tokens_cache } = last;
  const own = await page.locator("#meter-conversation").innerText();
  const [, held] = /held\s+(\d+) of 1,024/.exec(own)!;
  const answerTokenCount = Number(held) - n_prompt_tokens;
  assert(answerTokenCount > 0 && answerTokenCount <= ANSWER_TOKEN_COUNT, own);
  assertMatch(own, new RegExp(`this turn\\s+${n_prompt_tokens_cache} of ${n_prompt_tokens}`));
  const slot = told.slots.filter((slot) =>
    slot.is_processing && slot.n_prompt_tokens === n_prompt_tokens && slot.kv_bytes.raw > 0
  ).at(-1);
  assert(slot, "a slot of the turn was told of");
  const { raw, packed } = slot.kv_bytes;
  for (const shown of [formatBytes(raw), formatBytes(packed), `${formatRatio(raw, packed)}×`]) {
    assertStringIncludes(own, shown);
  }
  // A block of 64 tokens of K and V in f16: 30 layers of 3 heads of 64.
  assertEquals(raw % (64 * 2 * 30 * 3 * 64 * 2), 0);
  const all = await page.locator("#meter-server").innerText();
  const sizes = told.props.map(({ memory }) => formatBytes(memory.device_bytes));
  assert(sizes.some((size) => all.includes(size)), `${all} has one of ${sizes}`);
}

async function talks(browser: Browser): Promise<void> {
  const model = await loadServedModel(defaultModelPath(), { contextLength: 1024 });
  const state = new ServerState();
  state.setReady(model);
  const app = createApp({ state, modelId: "SmolLM2-135M-Instruct" });
  const server = await startServer({ app, state, hostname: "127.0.0.1", port: 0, keyCount: 0 });
  const { page, complaints, close } = await openTab(browser, {});
  const told = listen(page);
  page.setDefaultTimeout(60_000);
  try {
    await page.goto(server.url);
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByLabel("Temperature").fill("0");
    await page.getByLabel("Longest answer").fill(String(ANSWER_TOKEN_COUNT));
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
    assertMatch(await meter.innerText(), /balanced \(k-step [\d.]+, v-step [\d.]+, sinks 2\)/);
    const own = await page.locator("#meter-conversation").innerText();
    assertMatch(own, /tokens held\s+\d+ of 1,024/);
    assertMatch(own, /writing\s+[\d.]+ tok\/s/);
    await checkMeter(page, told);
    if (complaints.length > 0) throw new Error(complaints.join("\n"));
  } finally {
    await close();
    await server.stop();
  }
}

pageTest("the page before the real model", {
  "a question is answered, a file is read, and the meter shows real bytes": talks,
});
