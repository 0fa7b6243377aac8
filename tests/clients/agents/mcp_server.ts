/** A server of MCP on standard input and output with one tool, for coding agents under test. */

const TOOL = {
  name: "look",
  description: "Looks at what a command would do",
  inputSchema: {
    type: "object",
    properties: { command: { type: "string" } },
    required: ["command"],
  },
};

// deno-lint-ignore no-explicit-any
function resultOf({ method, params }: any): unknown {
  switch (method) {
    case "initialize": {
      const { protocolVersion } = params;
      return {
        protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: "packkv", version: "1" },
      };
    }
    case "tools/list":
      return { tools: [TOOL] };
    case "tools/call":
      return { content: [{ type: "text", text: "mcp-was-here" }] };
    default:
      return {};
  }
}

let text = "";
for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (text + chunk).split("\n");
  text = lines.pop()!;
  for (const line of lines.filter((each) => each.trim() !== "")) {
    const message = JSON.parse(line);
    if (message.id === undefined) continue;
    console.log(JSON.stringify({ jsonrpc: "2.0", id: message.id, result: resultOf(message) }));
  }
}
