import { assertEquals } from "@std/assert";
import { findBrowser } from "../../server/setup/browser.ts";

/** Runs `body` with a folder as PATH, which holds programs of these names. */
async function withPrograms(
  { names, named }: { names: string[]; named?: string },
  body: () => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const before = {
    PATH: Deno.env.get("PATH"),
    PACKKV_TEST_BROWSER: Deno.env.get("PACKKV_TEST_BROWSER"),
  };
  try {
    for (const name of names) {
      await Deno.writeTextFile(`${folder}/${name}`, "#!/bin/sh\nexit 0\n");
      await Deno.chmod(`${folder}/${name}`, 0o755);
    }
    Deno.env.set("PATH", folder);
    if (named === undefined) Deno.env.delete("PACKKV_TEST_BROWSER");
    else Deno.env.set("PACKKV_TEST_BROWSER", named);
    await body();
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
    await Deno.remove(folder, { recursive: true });
  }
}

const ignore = Deno.build.os === "windows";

Deno.test({
  name: "findBrowser() takes Chromium, else Chrome, else nothing",
  ignore,
  fn: async () => {
    const cases: [string[], string | null][] = [
      [["google-chrome", "chromium"], "chromium"],
      [["google-chrome"], "google-chrome"],
      [["firefox"], null],
    ];
    for (const [names, expected] of cases) {
      await withPrograms({ names }, async () => assertEquals(await findBrowser(), expected));
    }
  },
});

Deno.test({
  name: "findBrowser() takes the one PACKKV_TEST_BROWSER names, and no other instead",
  ignore,
  fn: async () => {
    const names = ["chromium", "mine"];
    await withPrograms({ names, named: "mine" }, async () => {
      assertEquals(await findBrowser(), "mine");
    });
    await withPrograms({ names, named: "/nowhere/x" }, async () => {
      assertEquals(await findBrowser(), null);
    });
  },
});
