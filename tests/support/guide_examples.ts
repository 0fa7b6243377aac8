/** Examples that the README and the guide show. */

const ROOT = new URL("../../", import.meta.url);

/** Where the examples look for the server. */
export const EXAMPLE_URL = "http://127.0.0.1:8000";

/** Examples in one language that ask a server, in a page of the project. */
export async function guideExamples(page: string, language: string): Promise<string[]> {
  const text = await Deno.readTextFile(new URL(page, ROOT));
  const blocks = text.matchAll(new RegExp(`\`\`\`${language}\n([^\`]*)\`\`\``, "g"));
  return [...blocks].map(([, block]) => block).filter((block) => block.includes(EXAMPLE_URL));
}
