import { assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { SetupError } from "../../server/setup/setup_error.ts";
import { extractZipMember } from "../../server/setup/zip.ts";
import { makeZip } from "./zip_fixture.ts";

const TEXT = new TextEncoder().encode("sixteen bytes of\n".repeat(50_000));
const MEMBERS = [
  { name: "a/first.txt", bytes: new TextEncoder().encode("first"), method: 8 },
  { name: "a/packed.txt", bytes: TEXT, method: 8 },
  { name: "a/stored.txt", bytes: TEXT.subarray(0, 3), method: 0 },
  { name: "a/empty", bytes: new Uint8Array(), method: 0 },
] as const;

async function withZip(
  bytes: Uint8Array,
  work: (zipPath: string, outPath: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const zipPath = join(folder, "x.zip");
    await Deno.writeFile(zipPath, bytes);
    await work(zipPath, join(folder, "out"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (const { name, bytes, method } of MEMBERS) {
  Deno.test(`extractZipMember() gives the bytes of ${name} (method ${method})`, async () => {
    await withZip(makeZip(MEMBERS), async (zipPath, outPath) => {
      let lastBytes = 0;
      const onProgress = (doneBytes: number) => lastBytes = doneBytes;
      await extractZipMember(zipPath, name, { outPath, onProgress });
      assertEquals(await Deno.readFile(outPath), new Uint8Array(bytes));
      assertEquals(lastBytes, bytes.length);
    });
  });
}

const DAMAGES: [string, (zip: Uint8Array) => Uint8Array, string, RegExp][] = [
  ["is cut short", (zip) => zip.subarray(0, 500), "a/packed.txt", /no ZIP file/],
  ["is empty", () => new Uint8Array(), "a/packed.txt", /no ZIP file/],
  ["lacks the member", (zip) => zip, "a/other.txt", /no member a\/other.txt/],
  ["has damaged bytes", (zip) => zip.fill(0xff, 80, 300), "a/packed.txt", /does not unpack/],
];

for (const [state, damage, name, message] of DAMAGES) {
  Deno.test(`extractZipMember() refuses a file that ${state}`, async () => {
    await withZip(damage(makeZip(MEMBERS)), async (zipPath, outPath) => {
      const error = await assertRejects(
        () => extractZipMember(zipPath, name, { outPath }),
        SetupError,
      );
      assertEquals(message.test((error as Error).message), true, (error as Error).message);
    });
  });
}
