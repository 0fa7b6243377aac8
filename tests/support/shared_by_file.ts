/** Something that all tests of a file use. */

import { assertExists } from "@std/assert";

/**
 * Opened before the first test of a file, closed behind the last: for tests that leave it as they
 * find it.
 *
 * @param withOne Runs its argument with what is opened, and closes that behind it.
 * @returns Gives what is open, once tests run.
 */
export function sharedByFile<T>(
  withOne: (body: (opened: T) => Promise<void>) => Promise<void>,
): () => T {
  let shared: T | null = null;
  let close: () => Promise<void> = () => Promise.resolve();
  Deno.test.beforeAll(async () => {
    const isOver = Promise.withResolvers<void>();
    const isOpen = Promise.withResolvers<void>();
    const life = withOne(async (opened) => {
      shared = opened;
      isOpen.resolve();
      await isOver.promise;
    });
    close = async () => {
      isOver.resolve();
      await life;
    };
    await Promise.race([isOpen.promise, life]);
  });
  Deno.test.afterAll(() => close());
  return () => {
    assertExists(shared, "tests run between the opening and the closing");
    return shared;
  };
}
