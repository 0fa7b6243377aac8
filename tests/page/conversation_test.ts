import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type FakeScript, tokensOf } from "../support/fake_engine.ts";
import { eventually } from "../support/waiting.ts";
import { ask, lastAnswer, pageTest, visit } from "./browser.ts";

const ANSWER = `# A plan

Some **bold** text, \`code\` and a [link](https://example.org/x).

1. one
2. two

\`\`\`js
const x = 1 < 2;
\`\`\`

| a | b |
|---|---|
| 1 | 2 |
`;

const HOSTILE = `<script>document.title="owned"</script>

<img src="https://evil.example/x.png" onerror="document.title='owned'">

[a](javascript:document.title='owned') ![b](https://evil.example/y.png)
[c](data:text/html,x) <a href="https://evil.example">d</a> &lt;e&gt;
`;

/** Gives text token by token, so that it streams. */
const slowly = (text: string, waitMs = 2): FakeScript => () =>
  tokensOf(text).flatMap((id) => [id, { waitMs }]);

/** A slot of `/slots` that answers a prompt of so many tokens. */
const slot = (promptCount: number, raw: number) => ({
  is_processing: true,
  n_prompt_tokens: promptCount,
  kv_bytes: { raw, packed: raw / 5 },
});

pageTest("the page holds a conversation", {
  "an answer streams in and becomes headings, lists, code and tables": (browser) => {
    const seen = Promise.withResolvers<void>();
    const [first, rest] = [ANSWER.slice(0, -9), ANSWER.slice(-9)];
    const script = () => [...tokensOf(first), { until: seen.promise }, ...tokensOf(rest)];
    return visit(browser, script, {
      options: { info: { contextLength: 1000 } },
      work: async ({ page }) => {
        await ask(page, "Make a plan");
        await page.locator("article.assistant[aria-busy=true] .text strong").waitFor();
        await page.getByRole("button", { name: "Stop the answer" }).waitFor();
        seen.resolve();
        await lastAnswer(page);
        const answer = page.locator("article.assistant .text");
        const counts = Object.entries({ h2: 1, strong: 1, "ol > li": 2, "pre code": 1, "td": 2 });
        for (const [selector, count] of counts) {
          assertEquals(await answer.locator(selector).count(), count, selector);
        }
        assertEquals(await answer.locator("pre code").innerText(), "const x = 1 < 2;");
        assertEquals(await answer.locator("a").getAttribute("href"), "https://example.org/x");
        assertEquals(await page.title(), "Make a plan · PackKV Serve");
        await page.getByRole("button", { name: "Send" }).waitFor();
      },
    });
  },

  "HTML, scripts and unsafe links of an answer stay text, and call nobody": (browser) =>
    visit(browser, slowly(HOSTILE, 0), {
      options: { info: { contextLength: 1000 } },
      work: async ({ page }) => {
        await ask(page, "Attack");
        const text = await lastAnswer(page);
        assertStringIncludes(text, "<script>");
        assertStringIncludes(text, "<e>");
        const answer = page.locator("article.assistant .text");
        assertEquals(await answer.locator("script, img, iframe").count(), 0);
        const links = await answer.locator("a").evaluateAll((all) =>
          all.map((each) => each.getAttribute("href"))
        );
        assertEquals(links, ["https://evil.example/y.png"]);
        assertEquals(await page.title(), "Attack · PackKV Serve");
      },
    }),

  "the second question is sent with the first one and its answer": (browser) =>
    visit(browser, (_, callIndex) => tokensOf(callIndex === 0 ? "Paris." : "Seine."), {
      work: async ({ page, engine }) => {
        await ask(page, "Capital?");
        assertEquals(await lastAnswer(page), "Paris.");
        await ask(page, "River?");
        await page.getByText("Seine.").waitFor();
        const [, second] = engine.requests;
        const text = new TextDecoder().decode(Uint8Array.from(second.promptIds));
        assertEquals(text, "[user]Capital?[assistant]Paris.[user]River?[assistant]");
      },
    }),

  "stop ends the answer and keeps what came": (browser) =>
    visit(browser, () => [...tokensOf("Only this"), "hang"], {
      work: async ({ page, engine }) => {
        await ask(page, "Go");
        await page.getByText("Only this").waitFor();
        await page.getByRole("button", { name: "Stop the answer" }).click();
        assertEquals(await lastAnswer(page), "Only this");
        await page.locator("article.assistant footer").getByText("stopped").waitFor();
        await eventually(() => engine.abortedCount === 1 && engine.activeCount === 0);
      },
    }),

  "retry asks the same again and shows the new answer in place of the old": (browser) =>
    visit(browser, (_, callIndex) => tokensOf(callIndex === 0 ? "First." : "Second."), {
      work: async ({ page, engine }) => {
        await ask(page, "Q");
        assertEquals(await lastAnswer(page), "First.");
        await page.getByRole("button", { name: "Answer again" }).click();
        await page.getByText("Second.").waitFor();
        assertEquals(await page.locator("article").count(), 2);
        assertEquals(engine.requests[0].promptIds, engine.requests[1].promptIds);
      },
    }),
});

pageTest("the page keeps conversations and settings in the browser", {
  "conversations live through a reload, are opened, and are deleted when sure": (browser) =>
    visit(browser, (_, callIndex) => tokensOf(`Answer ${callIndex}`), {
      work: async ({ page }) => {
        const list = page.getByRole("navigation", { name: "Conversations" });
        await ask(page, "About cats");
        await lastAnswer(page);
        await list.getByRole("button", { name: "New conversation" }).click();
        await ask(page, "About dogs");
        await page.getByText("Answer 1").waitFor();
        await lastAnswer(page);
        await page.waitForTimeout(200);
        await page.reload();
        await list.getByRole("button", { name: "About cats", exact: true }).click();
        assertEquals(await lastAnswer(page), "Answer 0");
        const remove = list.getByRole("button", { name: "Delete “About cats”" });
        await remove.click();
        await page.getByRole("button", { name: "Keep it" }).click();
        await remove.click();
        await page.getByRole("button", { name: "Delete", exact: true }).click();
        await page.getByText("Ask something").waitFor();
        await page.reload();
        await list.getByRole("button", { name: "About dogs", exact: true }).waitFor();
        assertEquals(await list.getByRole("listitem").count(), 1);
      },
    }),

  "settings and the system prompt reach the engine, wrong ones are refused": (browser) =>
    visit(browser, () => tokensOf("ok"), {
      work: async ({ page, engine }) => {
        await page.getByRole("button", { name: "Settings" }).click();
        await page.getByLabel("System prompt").fill("Be brief.");
        await page.getByLabel("Temperature").fill("3");
        await page.getByLabel("Seed").fill("7");
        await page.getByRole("button", { name: "Save" }).click();
        await page.getByText("Temperature: must be a number from 0 to 2").waitFor();
        assertEquals(
          await page.evaluate("document.activeElement.id"),
          "setting-temperature",
        );
        await page.getByLabel("Temperature").fill("0.25");
        await page.getByLabel("Longest answer").fill("5");
        await page.getByRole("button", { name: "Save" }).click();
        await ask(page, "Q");
        await lastAnswer(page);
        const [{ promptIds, sampling, maxTokens }] = engine.requests;
        const text = new TextDecoder().decode(Uint8Array.from(promptIds));
        assertEquals(text, "[system]Be brief.[user]Q[assistant]");
        assertEquals([sampling?.temperature, sampling?.seed, maxTokens], [0.25, 7, 5]);
        await page.reload();
        await page.getByRole("button", { name: "Settings" }).click();
        assertEquals(await page.getByLabel("Temperature").inputValue(), "0.25");
      },
    }),

  "the meter takes the bytes of this conversation from its slot, and keeps them": (browser) =>
    visit(browser, slowly("It takes a while", 100), {
      work: async ({ page }) => {
        let slots = [slot(7, 9000), slot(18, 5000)];
        await page.route(
          "**/openapi.json",
          (route) => route.fulfill({ json: { paths: { "/v1/slots": {} } } }),
        );
        await page.route("**/slots?*", (route) => route.fulfill({ json: slots }));
        await page.reload();
        await ask(page, "Q");
        const meter = page.locator("#meter-conversation");
        await meter.getByText("5.00× smaller").waitFor();
        slots = [];
        await lastAnswer(page);
        assertMatch(await meter.innerText(), /as f16\s+5\.00 kB\s+as stored\s+1\.00 kB/);
        assertEquals(await meter.getByText("not reported").count(), 0);
        await page.waitForTimeout(300);
        await page.reload();
        await page.getByRole("button", { name: "Q", exact: true }).click();
        await meter.getByText("5.00× smaller").waitFor();
      },
    }),

  "the meter shows this conversation and the server, and says what is not known": (browser) =>
    visit(browser, slowly("Twelve chars"), {
      work: async ({ page }) => {
        await ask(page, "Q");
        await lastAnswer(page);
        const meter = page.getByRole("complementary", { name: "Meter" });
        const text = await meter.innerText();
        assertMatch(text, /tokens held\s+30 of 200/);
        assertMatch(text, /bytes as stored\s+not reported/);
        assertMatch(text, /cached of this turn\s+0 of 18/);
        assertMatch(text, /6\.00×\s+smaller/);
        assertMatch(text, /as f16\s+6\.00 kB\s+as stored\s+1\.00 kB/);
        assertMatch(text, /paper \(k-rel 0\.1/);
        assertMatch(text, /writing\s+24 tok\/s/);
      },
    }),
});
