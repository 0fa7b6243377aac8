import { assert, assertEquals, assertGreater } from "@std/assert";
import { formatSpeculation, measureSpeculation } from "../../server/measure/speculation.ts";
import { tinyPrompt, withTinyEngine } from "../support/tiny_engine.ts";

Deno.test("measureSpeculation() compares equal texts and counts what was guessed", () =>
  withTinyEngine({ model: { contextLength: 1024 } }, async (engine) => {
    const part = tinyPrompt(40, 3);
    const prompts = [{ name: "twice", promptIds: [...part, ...part], temperature: 0 }];
    const [rate] = await measureSpeculation(engine, prompts, { tokenCount: 100, roundCount: 2 });
    assertEquals([rate.name, rate.promptTokenCount], ["twice", 80]);
    assertGreater(rate.tokensPerSecond, 0);
    assertGreater(rate.ratio, 0);
    assertGreater(rate.processorRatio, 0);
    assertGreater(rate.draftTokenCount, 0);
    assert(rate.acceptedTokenCount <= rate.draftTokenCount);
    const text = formatSpeculation([rate]);
    const counts = `${rate.acceptedTokenCount} of ${rate.draftTokenCount} right`;
    assert(text.startsWith("twice") && text.endsWith(counts), text);
  }));
