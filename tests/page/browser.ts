/** The web page in a real Chromium, over a real socket, before a server with a scripted engine. */

import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { startServer } from "../../server/serve.ts";
import type { FakeScript } from "../support/fake_engine.ts";
import { harness, type HarnessOptions } from "../server/harness.ts";

/** The longest wait for anything the page is to do. */
const WAIT_MS = 10_000;

/** How the page's server and the browser's tab are made. */
export interface VisitOptions extends HarnessOptions {
  tab?: BrowserContextOptions;
  /** Runs in the page before its own scripts. */
  before?: string;
  /** Messages of the console that are meant to be there, such as those of failed requests. */
  allowedMessages?: RegExp;
}

/** A page that is open. */
export interface Visit extends ReturnType<typeof harness> {
  page: Page;
  url: string;
  /** Ends the server. */
  stop: () => Promise<void>;
}

/** Chromium's name or path, or null where there is none: the tests are left out then. */
export function browserPath(): string | null {
  const path = Deno.env.get("PACKKV_TEST_BROWSER") ?? null;
  if (path === null && Deno.env.get("CI") === "true") {
    throw new Error("Cannot test the web page: there is no Chromium");
  }
  return path;
}

/** Opens a fresh tab; what it reports of errors is collected in `complaints`. */
export async function openTab(
  browser: Browser,
  { tab = {}, before, allowedMessages }: VisitOptions,
): Promise<{ page: Page; complaints: string[]; close: () => Promise<void> }> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...tab });
  if (before !== undefined) await context.addInitScript(before);
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  const complaints: string[] = [];
  page.on("console", (message) => {
    const text = `${message.type()}: ${message.text()}`;
    if (["error", "warning"].includes(message.type()) && !allowedMessages?.test(text)) {
      complaints.push(text);
    }
  });
  page.on("pageerror", (error) => complaints.push(`uncaught: ${error.message}`));
  page.on("dialog", async (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  page.on("request", (request) => {
    const { hostname } = new URL(request.url());
    if (hostname !== "127.0.0.1") complaints.push(`request to ${hostname}`);
  });
  return { page, complaints, close: () => context.close() };
}

/** Opens the page before an engine that follows `script`, and checks that nothing went wrong. */
export async function visit(
  browser: Browser,
  script: FakeScript,
  { options = {}, work }: { options?: VisitOptions; work: (visit: Visit) => Promise<void> },
): Promise<void> {
  const made = harness(script, options);
  const server = await startServer({
    app: made.app,
    state: made.state,
    hostname: "127.0.0.1",
    port: 0,
    keyCount: options.app?.apiKeys?.length ?? 0,
  });
  const { page, complaints, close } = await openTab(browser, options);
  try {
    await page.goto(server.url);
    await work({ ...made, page, url: server.url, stop: () => server.stop() });
    if (complaints.length > 0) throw new Error(`The page complained:\n${complaints.join("\n")}`);
  } finally {
    await close();
    await server.stop();
  }
}

/** Steps of a test of the page, by what they claim; each opens its own tabs. */
export type PageSteps = Record<string, (browser: Browser) => Promise<void>>;

/** A test of the page: its steps share one browser. */
export function pageTest(name: string, steps: PageSteps): void {
  const path = browserPath();
  if (path === null) console.log(`no Chromium: left out: ${name}`);
  Deno.test({
    name,
    ignore: path === null,
    fn: async (t) => {
      const browser = await launch(path!);
      try {
        for (const [claim, step] of Object.entries(steps)) await t.step(claim, () => step(browser));
      } finally {
        await browser.close();
      }
    },
  });
}

async function launch(path: string): Promise<Browser> {
  const executablePath = path.includes("/") ? path : await inPath(path);
  const args = ["--disable-gpu", "--disable-quic", "--disable-background-networking"];
  // Chromium's own sandbox does not work for root; only pages of these tests are opened.
  if (Deno.uid() === 0) args.push("--no-sandbox");
  return await chromium.launch({ executablePath, args });
}

async function inPath(name: string): Promise<string> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    const path = `${folder}/${name}`;
    if (await Deno.stat(path).then(({ isFile }) => isFile, () => false)) return path;
  }
  throw new Error(`Cannot find ${name} in PATH`);
}

/** Writes a message and sends it. */
export async function ask(page: Page, text: string): Promise<void> {
  await page.getByLabel("Your message").fill(text);
  await page.keyboard.press("Enter");
}

/** The last answer, once it has ended. */
export async function lastAnswer(page: Page): Promise<string> {
  const article = page.locator("article.assistant[aria-busy=false]").last();
  await article.waitFor();
  return await article.locator(".text").innerText();
}
