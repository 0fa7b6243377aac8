import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "node:path";
import { findPip, pipDownload, requirePip } from "../../server/setup/pip.ts";
import { SetupError } from "../../server/setup/setup_error.ts";

const DOWNLOADING_PIP = `#!/bin/sh
[ "$1" != --version ] || exit 0
echo "$@" > "$TMPDIR/arguments"
head -c 600 /dev/zero > "$TMPDIR/part"
sleep 0.5
mv "$TMPDIR/part" "$TMPDIR/pkg-1.0-py3-none-any.whl"
`;
const FAILING_PIP = `#!/bin/sh
echo "Collecting pkg"
echo "ERROR: no route to the index" >&2
exit 1
`;

async function withPip(
  program: string,
  work: (pip: string, folder: string) => Promise<void>,
): Promise<void> {
  const base = await Deno.makeTempDir();
  try {
    const folder = join(base, "stage");
    const pip = join(base, "pip3");
    await Deno.mkdir(folder);
    await Deno.writeTextFile(pip, program, { mode: 0o755 });
    await work(pip, folder);
  } finally {
    await Deno.remove(base, { recursive: true });
  }
}

const ignore = Deno.build.os === "windows";
const common = { requirement: "pkg==1.0", sizeBytes: 1000 };

Deno.test({
  name: "pipDownload() shows progress and returns the wheel",
  ignore,
  fn: async () => {
    await withPip(DOWNLOADING_PIP, async (pip, folder) => {
      const fractions: number[] = [];
      const onProgress = (_message: string, fraction = 0) => fractions.push(fraction);
      const path = await pipDownload([pip], { ...common, folder, onProgress });
      assertEquals(path, join(folder, "pkg-1.0-py3-none-any.whl"));
      assertEquals(fractions.some((fraction) => fraction > 0.5 && fraction < 1), true);
      const args = await Deno.readTextFile(join(folder, "arguments"));
      assertEquals(args, `download --no-deps --dest ${folder} --no-cache-dir pkg==1.0\n`);
    });
  },
});

Deno.test({
  name: "pipDownload() shows what pip said if it fails",
  ignore,
  fn: async () => {
    await withPip(FAILING_PIP, async (pip, folder) => {
      const download = () => pipDownload([pip], { ...common, folder, onProgress: () => {} });
      const error = await assertRejects(download, SetupError) as Error;
      assertMatch(error.message, /^Cannot fetch pkg==1\.0: .* failed:\n {2}Collecting pkg\n/);
      assertMatch(error.message, /ERROR: no route to the index$/);
    });
  },
});

Deno.test({
  name: "requirePip() says how to get pip if there is none and it may not be installed",
  ignore,
  fn: async () => {
    const before = Deno.env.get("PATH");
    Deno.env.set("PATH", "/nowhere");
    try {
      assertEquals(await findPip(), null);
      const error = await assertRejects(() => requirePip(() => {}), SetupError) as Error;
      assertMatch(
        error.message,
        /no pip found; .*apt-get install python3-pip\), or .*--model PATH/,
      );
    } finally {
      if (before !== undefined) Deno.env.set("PATH", before);
    }
  },
});
