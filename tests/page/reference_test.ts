import { assert } from "@std/assert";
import { pageTest, visit } from "./browser.ts";

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
