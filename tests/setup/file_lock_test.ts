import { assertEquals, assertRejects } from "@std/assert";
import { join } from "node:path";
import { withFileLock } from "../../server/setup/file_lock.ts";
import { SetupError } from "../../server/setup/setup_error.ts";

Deno.test("withFileLock() makes the folder, and says what to do where it cannot", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "a/b/x.lock");
    assertEquals(await withFileLock(path, () => Promise.resolve(7)), 7);
    // A file in the place of a folder refuses root too.
    await Deno.writeTextFile(join(folder, "file"), "");
    const refused = () => withFileLock(join(folder, "file/x.lock"), () => Promise.resolve(7));
    const { message } = await assertRejects(refused, SetupError, "set XDG_CACHE_HOME to a folder");
    assertEquals(message.startsWith(`Cannot fetch to ${join(folder, "file")}: `), true, message);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
