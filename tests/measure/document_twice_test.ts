import { assert, assertEquals } from "@std/assert";
import { formatDocument, measureDocument } from "../../server/measure/document_twice.ts";
import { tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

Deno.test("a document's second question prefills only itself, at once and after a restart", () =>
  withTinyModel({ contextLength: 2048 }, async (modelPath) => {
    const diskFolder = await Deno.makeTempDir({ prefix: "packkv-document-" });
    try {
      const options = { modelPath, profile: { name: "balanced" as const }, diskFolder };
      const report = await measureDocument(options, tinyPrompt(1200, 3));
      const { first, second, afterRestart } = report;
      assertEquals(first.cachedTokenCount, 0);
      for (const { promptTokenCount, cachedTokenCount } of [second, afterRestart]) {
        assertEquals(promptTokenCount, 1220);
        // All whole blocks of the document.
        assertEquals(cachedTokenCount, 1152);
      }
      assert(second.share < 0.5, `the second took ${second.share} of the first's time`);
      assert(formatDocument(report).includes("after a restart"));
    } finally {
      await Deno.remove(diskFolder, { recursive: true });
    }
  }));
