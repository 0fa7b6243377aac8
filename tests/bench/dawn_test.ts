/** Where the command for Dawn finds a newer driver. */

import { assertEquals, assertThrows } from "@std/assert";
import { backportsList } from "../../bench/dawn/driver.ts";

const RELEASE = 'NAME="Debian"\nVERSION_CODENAME=bookworm\nID=debian\n';

Deno.test("backportsList() takes backports from where a release's own packages come", () => {
  const targets = "http://a.example/security bookworm-security\nhttp://b.example/debian bookworm\n";
  const list = "deb http://b.example/debian bookworm-backports main\n";
  assertEquals(backportsList(RELEASE, targets), list);
});

Deno.test("backportsList() refuses a system that is no Debian, naming it", () => {
  assertThrows(() => backportsList(RELEASE, "http://a.example jammy\n"), Error, "bookworm");
  assertThrows(() => backportsList("ID=other\n", "http://a.example jammy\n"), Error, "this system");
});
