import { assert, assertEquals } from "@std/assert";
import axe from "axe-core";
import type { Browser } from "playwright-core";
import { COMMANDS } from "../../server/cli/commands.ts";
import { readConfig, tableNames } from "../../server/cli/config_file.ts";
import { OWN_FLAGS } from "../../server/cli/models_flag.ts";
import { DOCS } from "../../server/page/docs.ts";
import { tokensOf } from "../support/fake_engine.ts";
import { harness } from "../server/harness.ts";
import { ask, lastAnswer, openTab, pageTest, visit } from "./browser.ts";

/** Contents of the fences of a language. */
function fencesOf(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, "gm"))]
    .map(([, content]) => content);
}

const serve = COMMANDS.find(({ name }) => name === "serve")!;
const run = COMMANDS.find(({ name }) => name === "run")!;

Deno.test("every configuration file of the guide is one that serve and run accept", () => {
  const isOfCodex = (text: string) => text.includes("[model_providers.");
  const all = Object.values(DOCS).flatMap((text) => fencesOf(text, "toml"));
  const files = all.filter((text) => !isOfCodex(text));
  assertEquals(all.length - files.length, 1);
  assert(files.length > 0);
  const isOfModels = (text: string) => /^\[.*\]\nmodel = /m.test(text);
  assertEquals(files.filter(isOfModels).length, 1);
  for (const text of files) {
    const file = { path: "guide", text };
    // Of several models each table is one; tests/cli/models_flag_test.ts reads them whole.
    const models = isOfModels(text)
      ? tableNames(file).map((name) => ({ name, flags: OWN_FLAGS }))
      : null;
    for (const command of models ?? [serve, run]) {
      const settings = readConfig(file, { command, commands: models ?? [serve, run] });
      assert(settings.size > 0, text);
    }
  }
});

Deno.test("every curl of the guide gets an answer", async () => {
  const app = harness(() => tokensOf("ok"), {
    app: { slotFolder: "/kept", modelId: "SmolLM2-135M-Instruct" },
  }).app;
  const shells = Object.values(DOCS).flatMap((text) => fencesOf(text, "sh")).join("\n");
  const url = String.raw`'?http://127\.0\.0\.1:8000([^\s']+)'?`;
  const call = new RegExp(`^curl (?:-N |-X POST )?${url}(?: -H '[^']+')?\\s+-d '([^']+)'`, "gm");
  const calls = [...shells.replaceAll("\\\n", " ").matchAll(call)];
  assert(calls.length >= 4, `${calls.length}`);
  assertEquals(calls.length, shells.match(/^curl /gm)?.length);
  for (const [, path, body] of calls) {
    const response = await app.request(path, { method: "POST", body });
    assertEquals(response.status, 200, `${path} ${await response.text()}`);
  }
});

Deno.test("pages of the guide link to pages that are there, and all are served", async () => {
  const { app } = harness(() => [], { app: { apiKeys: ["secret"] } });
  for (const [name, text] of Object.entries(DOCS)) {
    for (const [, target] of text.matchAll(/\]\((\w+\.md)\)/g)) assert(target in DOCS, target);
    const response = await app.request(`/guide/${name}`);
    assertEquals([response.status, await response.text()], [200, text]);
    assertEquals(response.headers.get("Content-Type"), "text/markdown; charset=utf-8");
  }
  assertEquals((await app.request("/guide/other.md")).status, 404);
  const inFolder = [...Deno.readDirSync(new URL("../../server/docs", import.meta.url))];
  const pages = inFolder.map(({ name }) => name).filter((name) => name.endsWith(".md"));
  assertEquals(pages.sort(), Object.keys(DOCS).sort());
});

/** What a proxy does that serves `app` below a path. */
function belowPath(
  path: string,
  app: { fetch: (request: Request) => Response | Promise<Response> },
) {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const url = new URL(request.url);
    if (!url.pathname.startsWith(path)) return new Response("elsewhere", { status: 404 });
    url.pathname = url.pathname.slice(path.length - 1);
    return app.fetch(new Request(url, request));
  });
}

async function worksBelowPath(browser: Browser): Promise<void> {
  const { app } = harness(() => tokensOf("Reached"));
  const server = belowPath("/some/path/", app);
  const { page, complaints, close } = await openTab(browser, {});
  try {
    await page.goto(`http://127.0.0.1:${server.addr.port}/some/path/`);
    await ask(page, "Q");
    assertEquals(await lastAnswer(page), "Reached");
    await page.getByRole("link", { name: "Guide" }).click();
    await page.getByRole("heading", { name: "Serving" }).waitFor();
    await page.getByRole("link", { name: "PackKV Serve" }).click();
    await page.getByLabel("Your message").waitFor();
    assertEquals(complaints, []);
  } finally {
    await close();
    await server.shutdown();
  }
}

pageTest("the guide and the page", {
  "work below a path, as behind a proxy": worksBelowPath,

  "show every page of the guide, follow links between them, and are fit for everyone": (browser) =>
    visit(browser, () => [], {
      work: async ({ page }) => {
        await page.getByRole("link", { name: "Guide" }).click();
        for (const [name, text] of Object.entries(DOCS)) {
          const [, title] = /^# (.+)$/m.exec(text)!;
          await page.locator(`nav a[href="#${name.replace(".md", "")}"]`).click();
          await page.locator("main").getByRole("heading", { name: title, exact: true }).waitFor();
          await page.evaluate(axe.source);
          const { violations } = await page.evaluate("axe.run(document)") as axe.AxeResults;
          assertEquals(violations.map(({ id }) => id), []);
        }
        await page.locator("main").getByRole("link", { name: "Codec profiles" }).first().click();
        await page.getByRole("heading", { name: "How to choose" }).waitFor();
        await page.getByRole("link", { name: "PackKV Serve" }).click();
        await page.getByLabel("Your message").waitFor();
      },
    }),
});
