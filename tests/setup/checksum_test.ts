import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import {
  type FileDigest,
  fileMatches,
  hasMarker,
  isVerified,
  markerPath,
} from "../../server/setup/checksum.ts";

// `git hash-object` of a file that holds "hello\n".
const GIT_HELLO = "ce013625030ba8dba906f756967f9e9ca394464a";
const SHA256_HELLO = createHash("sha256").update("hello\n").digest("hex");
const HELLO: FileDigest = { sizeBytes: 6, algorithm: "sha256", hash: SHA256_HELLO };

async function withHello(work: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/hello`, "hello\n");
    await work(`${folder}/hello`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("fileMatches() knows SHA-256 and git's SHA-1", async () => {
  await withHello(async (path) => {
    assert(await fileMatches(path, HELLO));
    assert(await fileMatches(path, { sizeBytes: 6, algorithm: "git-sha1", hash: GIT_HELLO }));
    assert(!await fileMatches(path, { ...HELLO, hash: SHA256_HELLO.replace(/^./, "z") }));
    assert(!await fileMatches(path, { ...HELLO, sizeBytes: 7 }));
    await assertRejects(() => fileMatches(`${path}x`, HELLO), Deno.errors.NotFound);
  });
});

Deno.test("isVerified() leaves a marker only beside a file that matches", async () => {
  await withHello(async (path) => {
    const other = { ...HELLO, hash: "0".repeat(64) };
    assertEquals(await isVerified(path, other), false);
    await assertRejects(() => Deno.stat(markerPath(path)), Deno.errors.NotFound);
    assertEquals(await isVerified(path, HELLO), true);
    assertEquals(await hasMarker(path, HELLO), true);
    assertEquals(await hasMarker(path, other), false);
  });
});

Deno.test("isVerified() reads the file again if its time changed, and finds a change", async () => {
  await withHello(async (path) => {
    assert(await isVerified(path, HELLO));
    await Deno.writeTextFile(path, "hellO\n");
    await Deno.utime(path, new Date(0), new Date(0));
    assertEquals(await hasMarker(path, HELLO), false);
    assertEquals(await isVerified(path, HELLO), false);
    await Deno.writeTextFile(path, "hello\n");
    assertEquals(await isVerified(path, HELLO), true);
  });
});

Deno.test("isVerified() finds a file cut short though it has a marker", async () => {
  await withHello(async (path) => {
    assert(await isVerified(path, HELLO));
    const { mtime } = await Deno.stat(path);
    await Deno.truncate(path, 3);
    await Deno.utime(path, mtime!, mtime!);
    assertEquals(await isVerified(path, HELLO), false);
  });
});

Deno.test("isVerified() is false if there is no file", async () => {
  await withHello(async (path) => assertEquals(await isVerified(`${path}x`, HELLO), false));
});

Deno.test("isVerified() holds where no marker can be written, and where one cannot be read", async () => {
  await withHello(async (path) => {
    // A folder in its place stands for whatever refuses: permissions do not stop root.
    await Deno.mkdir(`${markerPath(path)}/kept`, { recursive: true });
    assertEquals(await hasMarker(path, HELLO), false);
    assertEquals(await isVerified(path, HELLO), true);
    assertEquals(await isVerified(path, { ...HELLO, hash: "0".repeat(64) }), false);
  });
});
