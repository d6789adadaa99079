// The MCP SDK for TypeScript, 1.x and 2.x, and @ai-sdk/mcp: typescript.mjs NODE_MODULES WHICH; reads targets as JSON from stdin.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { readFileSync } from "node:fs";

const [modules, which] = process.argv.slice(2);
const require = createRequire(`${modules}/x.js`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const SECONDS = 12;
console.log = console.info = console.debug = console.error; // stdout is for what is found, and one of the SDKs writes there

async function opened(target) {
  if (which === "ai-sdk") {
    const { createMCPClient } = await load("@ai-sdk/mcp");
    if (target.url) return createMCPClient({ transport: { type: "http", url: target.url } });
    const { Experimental_StdioMCPTransport: Stdio } = await load("@ai-sdk/mcp/mcp-stdio");
    return createMCPClient({ transport: new Stdio(target.stdio) });
  }
  const old = which === "typescript-1";
  const sdk = await load(old ? "@modelcontextprotocol/sdk/client/index.js" : "@modelcontextprotocol/client");
  const http = old ? await load("@modelcontextprotocol/sdk/client/streamableHttp.js") : sdk;
  const stdio = old ? await load("@modelcontextprotocol/sdk/client/stdio.js") : await load("@modelcontextprotocol/client/stdio");
  const client = new sdk.Client({ name: "peer", version: "1" });
  await client.connect(
    target.url ? new http.StreamableHTTPClientTransport(new URL(target.url)) : new stdio.StdioClientTransport(target.stdio),
  );
  return client;
}

async function tried(work) {
  let timer;
  try {
    const late = new Promise((_, fail) => { timer = setTimeout(() => fail(new Error("no answer")), SECONDS * 1000); });
    return await Promise.race([work(), late]);
  } catch (error) {
    return { error: String(error.message).replace(/\s+/g, " ") };
  } finally { clearTimeout(timer); }
}

async function listed(ask, member) {
  const found = [];
  let cursor;
  do {
    const page = await tried(() => ask(cursor));
    if (page.error) return page;
    found.push(...page[member]);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return found;
}

const sdkWays = (client) => ({
  tools: (cursor) => client.listTools({ cursor }),
  resources: (cursor) => client.listResources({ cursor }),
  resourceTemplates: (cursor) => client.listResourceTemplates({ cursor }),
  prompts: (cursor) => client.listPrompts({ cursor }),
  call: (ask) => client.callTool({ name: ask.name, arguments: ask.arguments }),
  read: (ask) => client.readResource({ uri: ask.name }),
  prompt: (ask) => client.getPrompt({ name: ask.name, arguments: ask.arguments }),
});

const aiWays = (client) => ({
  tools: (cursor) => client.listTools({ params: { cursor } }),
  resources: (cursor) => client.listResources({ params: { cursor } }),
  resourceTemplates: () => client.listResourceTemplates(),
  prompts: (cursor) => (client.listPrompts ?? client.experimental_listPrompts).call(client, { params: { cursor } }),
  call: async (ask) => {
    const tools = await client.tools();
    return tools[ask.name].execute(ask.arguments, { toolCallId: "1", messages: [] });
  },
  read: (ask) => client.readResource({ uri: ask.name }),
  prompt: (ask) => (client.getPrompt ?? client.experimental_getPrompt).call(client, { name: ask.name, arguments: ask.arguments }),
});

const MEMBERS = ["tools", "resources", "resourceTemplates", "prompts"];

async function talk(target) {
  const client = await tried(() => opened(target));
  if (client.error) {
    return { ...Object.fromEntries(MEMBERS.map((member) => [member, client])), asked: target.asks.map(() => client) };
  }
  const ways = which === "ai-sdk" ? aiWays(client) : sdkWays(client);
  const got = {};
  for (const member of MEMBERS) got[member] = await listed(ways[member], member);
  got.asked = [];
  for (const ask of target.asks) got.asked.push(await tried(() => ways[ask.do](ask)));
  await client.close();
  return got;
}

const all = [];
for (const target of JSON.parse(readFileSync(0, "utf8"))) all.push(await talk(target));
process.stdout.write(JSON.stringify(all), () => process.exit(0));
