import { assert, assertEquals } from "@std/assert";
import { pageTest, visit } from "./browser.ts";

Deno.test("no package that is fetched runs a script or reports its installation", async () => {
  const lock = await Deno.readTextFile(new URL("../../deno.lock", import.meta.url));
  assertEquals(/"scripts": true|@scarf\//.exec(lock)?.[0], undefined);
});

pageTest("the reference", {
  "shows every endpoint and asks nobody but this server": (browser) =>
    visit(browser, () => [], {
      work: async ({ app, page, url }) => {
        await page.goto(`${url}/docs`);
        const { paths } = await (await app.request("/openapi.json")).json();
        assert(Object.keys(paths).length > 10);
        for (const path of Object.keys(paths)) {
          await page.getByText(path, { exact: true }).first().waitFor();
        }
      },
    }),
});
