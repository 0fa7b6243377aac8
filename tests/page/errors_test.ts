import { assertEquals } from "@std/assert";
import type { Browser } from "playwright-core";
import { createApp } from "../../server/app.ts";
import { startServer } from "../../server/serve.ts";
import { ServerState } from "../../server/state.ts";
import { EngineError } from "../../src/core/errors.ts";
import { FakeEngine, fakeModel, tokensOf } from "../support/fake_engine.ts";
import { ask, lastAnswer, openTab, pageTest, visit } from "./browser.ts";

// Chromium itself reports each answer with an error status.
const allowedMessages = /Failed to load resource/;

const FULL_STORAGE = `
  IDBObjectStore.prototype.put = function () {
    throw new DOMException("no room", "QuotaExceededError");
  };
`;

const FULL_SETTINGS = `
  Storage.prototype.setItem = function () {
    throw new DOMException("no room", "QuotaExceededError");
  };
`;

async function waitsForModel(browser: Browser): Promise<void> {
  const state = new ServerState();
  const app = createApp({ state, modelId: "fake" });
  const server = await startServer({ app, state, hostname: "127.0.0.1", port: 0, keyCount: 0 });
  const { page, complaints, close } = await openTab(browser, { allowedMessages });
  try {
    await page.goto(server.url);
    await page.getByText("The model is still loading.").waitFor();
    state.setReady(fakeModel(new FakeEngine(() => tokensOf("Ready"))));
    await page.getByText("The model is still loading.").waitFor({ state: "hidden" });
    await ask(page, "Q");
    assertEquals(await lastAnswer(page), "Ready");
    assertEquals(complaints, []);
  } finally {
    await close();
    await server.stop();
  }
}

pageTest("the page tells people what went wrong", {
  "a server with a key asks for it, a wrong one is refused, the right one works": (browser) =>
    visit(browser, () => tokensOf("Hello"), {
      options: { app: { apiKeys: ["sesame"] }, allowedMessages },
      work: async ({ page }) => {
        const alert = page.getByRole("alert");
        await alert.getByText("This server wants a key.").waitFor();
        await alert.getByRole("button", { name: "Open settings" }).click();
        await page.getByLabel("API key").fill("wrong");
        await page.getByRole("button", { name: "Save" }).click();
        await alert.getByText("This server wants a key.").waitFor();
        await page.getByRole("button", { name: "Settings", exact: true }).click();
        await page.getByLabel("API key").fill("sesame");
        await page.getByRole("button", { name: "Save" }).click();
        await page.getByText("fake", { exact: true }).first().waitFor();
        assertEquals(await page.locator("#notice").isVisible(), false);
        await ask(page, "Hi");
        assertEquals(await lastAnswer(page), "Hello");
      },
    }),

  "a conversation beyond the context says how much fits, and offers a new one": (browser) =>
    visit(browser, () => tokensOf("ok"), {
      options: { allowedMessages },
      work: async ({ page }) => {
        await ask(page, "x".repeat(300));
        const answer = page.locator("article.assistant").last();
        await answer.getByText("longer than the model can read").waitFor();
        await answer.getByText("It can hold 200 tokens").waitFor();
        await answer.getByRole("button", { name: "New conversation" }).click();
        await page.getByText("Ask something").waitFor();
      },
    }),

  "a failure in the middle keeps what came, and trying again works": (browser) =>
    visit(
      browser,
      (_, callIndex) =>
        callIndex === 0
          ? [...tokensOf("Half"), new EngineError("queue_full", "Cannot go on: no room")]
          : tokensOf("Whole"),
      {
        work: async ({ page }) => {
          await ask(page, "Q");
          const answer = page.locator("article.assistant").last();
          await answer.getByText("The answer broke off.").waitFor();
          await answer.getByText("Cannot go on: no room").waitFor();
          await answer.getByText("Half").waitFor();
          await answer.getByRole("button", { name: "Try again" }).click();
          await page.getByText("Whole").waitFor();
          assertEquals(await page.locator("article.assistant").count(), 1);
        },
      },
    ),

  "a busy server and one that is gone are told apart": (browser) =>
    visit(browser, () => [new EngineError("queue_full", "Cannot queue: 64 wait")], {
      options: { allowedMessages },
      work: async ({ page, stop }) => {
        await ask(page, "Q");
        const answer = page.locator("article.assistant").last();
        await answer.getByText("The server is busy.").waitFor();
        await answer.getByText("Try again in 1 s.").waitFor();
        await stop();
        await answer.getByRole("button", { name: "Try again" }).click();
        await answer.getByText("The server does not answer.").waitFor();
      },
    }),

  "a server that ends during an answer is noticed": (browser) =>
    visit(browser, () => [...tokensOf("Begun"), "hang"], {
      options: { allowedMessages },
      work: async ({ page, stop }) => {
        await ask(page, "Q");
        await page.getByText("Begun").waitFor();
        await stop();
        await page.locator("article.assistant").getByRole("button", { name: "Try again" })
          .waitFor();
        await page.getByText("Begun").waitFor();
      },
    }),

  "a full browser storage is said, and the conversation goes on": (browser) =>
    visit(browser, () => tokensOf("Still here"), {
      options: { before: FULL_STORAGE },
      work: async ({ page }) => {
        await ask(page, "Q");
        const alert = page.getByRole("alert");
        await alert.getByText("This conversation could not be kept.").waitFor();
        await alert.getByText("The browser's storage is full.").waitFor();
        assertEquals(await lastAnswer(page), "Still here");
      },
    }),

  "settings that cannot be kept hold all the same, and that is said": (browser) =>
    visit(browser, () => tokensOf("ok"), {
      options: { before: FULL_SETTINGS },
      work: async ({ page, engine }) => {
        await page.getByRole("button", { name: "Settings" }).click();
        await page.getByLabel("Temperature").fill("0.125");
        await page.getByRole("button", { name: "Save" }).click();
        await page.getByRole("alert").getByText("could not be kept").waitFor();
        await ask(page, "Q");
        await lastAnswer(page);
        assertEquals(engine.requests[0].sampling?.temperature, 0.125);
      },
    }),

  "a model that is still loading is waited for": waitsForModel,
});
