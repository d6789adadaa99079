// The SDK for TypeScript, 1.x and 2.x, and @ai-sdk/mcp: node_client.mjs NODE_MODULES WHICH; reads targets as JSON from stdin, writes what it saw.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { readFileSync } from "node:fs";

const [modules, which] = process.argv.slice(2);
const require = createRequire(`${modules}/x.js`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const PATIENCE = 6000;
const LEVEL = { "io.modelcontextprotocol/logLevel": "info" };
const old = which === "typescript-1";
const ai = which === "ai-sdk";
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
console.log = console.info = console.debug = console.error; // stdout is for what is found, and one of the SDKs writes there

const SAMPLED = { role: "assistant", model: "demo", content: { type: "text", text: "hi there" } };
const ROOTS = { roots: [{ uri: "file:///demo", name: "demo" }] };
const elicited = (request) => (request.params.mode === "url" ? { action: "accept" } : { action: "accept", content: { name: "Ada" } });

async function opened(target, came) {
  if (ai) {
    const { createMCPClient, ElicitationRequestSchema } = await load("@ai-sdk/mcp");
    const capabilities = { elicitation: {} };
    const { Experimental_StdioMCPTransport: Stdio } = await load("@ai-sdk/mcp/mcp-stdio");
    const transport = target.url ? { type: "http", url: target.url } : new Stdio(target.stdio);
    const client = await createMCPClient({ transport, capabilities });
    client.onElicitationRequest?.(ElicitationRequestSchema, async (request) => elicited(request));
    return client;
  }
  const sdk = await load(old ? "@modelcontextprotocol/sdk/client/index.js" : "@modelcontextprotocol/client");
  const http = old ? await load("@modelcontextprotocol/sdk/client/streamableHttp.js") : sdk;
  const stdio = old ? await load("@modelcontextprotocol/sdk/client/stdio.js") : await load("@modelcontextprotocol/client/stdio");
  const capabilities = { sampling: {}, elicitation: { form: {}, url: {} }, roots: { listChanged: true } };
  const versionNegotiation = which === "typescript-2" ? { mode: "auto" } : undefined;
  const client = new sdk.Client({ name: "peer", version: "1" }, { capabilities, versionNegotiation });
  const types = old ? await load("@modelcontextprotocol/sdk/types.js") : undefined;
  const on = (method, schema, does) => client[schema.endsWith("RequestSchema") ? "setRequestHandler" : "setNotificationHandler"](old ? types[schema] : method, does);
  on("sampling/createMessage", "CreateMessageRequestSchema", async () => SAMPLED);
  on("elicitation/create", "ElicitRequestSchema", async (request) => elicited(request));
  on("roots/list", "ListRootsRequestSchema", async () => ROOTS);
  on("notifications/message", "LoggingMessageNotificationSchema", (note) => came("log", note.params.data));
  on("notifications/tools/list_changed", "ToolListChangedNotificationSchema", () => came("changed", "tools"));
  on("notifications/resources/updated", "ResourceUpdatedNotificationSchema", (note) => came("updated", note.params.uri));
  await client.connect(target.url ? new http.StreamableHTTPClientTransport(new URL(target.url)) : new stdio.StdioClientTransport(target.stdio));
  return client;
}

async function tried(work, patience = PATIENCE) {
  let timer;
  try {
    const late = new Promise((_, fail) => { timer = setTimeout(() => fail(new Error("no answer")), patience); });
    return await Promise.race([work(), late]);
  } catch (error) {
    return { error: String(error.message).replace(/\s+/g, " ") };
  } finally { clearTimeout(timer); }
}

async function call(client, ask, options = {}, meta = undefined) {
  let got;
  if (ai) {
    const tool = (await client.tools())[ask.tool];
    if (!tool) return { error: "no such tool" };
    got = await tool.execute(ask.arguments ?? {}, { toolCallId: "1", messages: [], abortSignal: options.signal });
  } else {
    const params = { name: ask.tool, arguments: ask.arguments ?? {}, ...(meta && { _meta: meta }) };
    got = await (old ? client.callTool(params, undefined, options) : client.callTool(params, options));
  }
  const said = (got.content ?? []).filter((part) => part.type === "text").map((part) => part.text).join(" ");
  return got.isError ? { error: said } : said;
}

async function listed(ask, member) {
  const found = [];
  let cursor;
  do {
    const page = await ask(ai ? { params: { cursor } } : { cursor });
    found.push(...page[member]);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return found;
}

async function wait(seen, kind) {
  const until = Date.now() + PATIENCE / 2;
  while (!seen[kind] && Date.now() < until) await pause(20);
  return seen[kind]?.[0] ?? { error: "nothing came" };
}

const read = async (client, uri) => (await client.readResource({ uri })).contents[0].text;
const absent = { absent: "the client cannot do it" };

const FEATURES = {
  tools: async (client, ask) => ({
    names: (await listed((page) => client.listTools(page), "tools")).map((tool) => tool.name), said: await call(client, ask),
  }),
  resources: async (client, ask) => {
    const uris = (await listed((page) => client.listResources(page), "resources")).map((one) => one.uri);
    const templates = (await client.listResourceTemplates()).resourceTemplates.map((one) => one.uriTemplate);
    return { names: [...uris, ...templates], said: await read(client, ask.uri) };
  },
  prompts: async (client, ask) => {
    const list = client.listPrompts ?? client.experimental_listPrompts;
    const get = client.getPrompt ?? client.experimental_getPrompt;
    const names = (await listed((page) => list.call(client, page), "prompts")).map((one) => one.name);
    const got = await get.call(client, { name: ask.prompt, arguments: ask.arguments });
    return { names, said: got.messages[0].content.text };
  },
  completion: async (client, ask) => {
    if (!client.complete) return absent;
    const ref = { type: "ref/prompt", name: ask.prompt };
    return (await client.complete({ ref, argument: { name: ask.argument, value: ask.value } })).completion.values;
  },
  apps: async (client, ask) => {
    const tool = (await listed((page) => client.listTools(page), "tools")).find((one) => one.name === ask.tool);
    const uri = tool?._meta?.ui?.resourceUri;
    return uri ? { uri, said: await read(client, uri) } : { error: "no tool with a view" };
  },
  progress: async (client, ask) => {
    if (ai) return absent;
    const notes = [];
    const said = await call(client, ask, { onprogress: (note) => notes.push(note.progress) });
    await pause(100);
    return { said, notes };
  },
  log: async (client, ask, seen) => {
    if (ai) return absent;
    await client.setLoggingLevel("info").catch(() => undefined); // one of the two is heard: a level for the session, or one with the request
    await call(client, ask, {}, LEVEL);
    return wait(seen, "log");
  },
  sampling: (client, ask) => (ai ? absent : call(client, ask)),
  elicitation: (client, ask) => call(client, ask),
  url: (client, ask) => (ai ? absent : call(client, ask)),
  roots: (client, ask) => (ai ? absent : call(client, ask)),
  cancel: async (client, ask) => {
    const before = await call(client, { tool: ask.then });
    const control = new AbortController();
    setTimeout(() => control.abort(), 300);
    await call(client, ask, { signal: control.signal }).catch(() => undefined);
    await pause(300);
    return before === await call(client, { tool: ask.then }) ? { error: "it was not told to the tool" } : "told";
  },
  subscribe: async (client, ask, seen) => {
    if (ai) return absent;
    const modern = !old && client.getNegotiatedProtocolVersion?.() >= "2026";
    const stream = modern ? await client.listen({ resourceSubscriptions: [ask.uri] }) : await client.subscribeResource({ uri: ask.uri });
    await call(client, ask);
    const found = await wait(seen, "updated");
    if (modern) await stream.close();
    return found;
  },
  list_changed: async (client, ask, seen) => {
    if (ai) return absent;
    const modern = !old && client.getNegotiatedProtocolVersion?.() >= "2026";
    const stream = modern ? await client.listen({ toolsListChanged: true }) : undefined;
    await call(client, ask);
    const found = await wait(seen, "changed");
    await stream?.close();
    return found;
  },
  tasks: async (client, ask) => {
    if (!old) return absent; // 2.x has no more of them than their types
    const { CallToolResultSchema } = await load("@modelcontextprotocol/sdk/types.js");
    const params = { name: ask.tool, arguments: ask.arguments };
    const states = [];
    for await (const message of client.experimental.tasks.callToolStream(params, CallToolResultSchema, { task: { ttl: 60000 } })) {
      if (message.type === "error") throw message.error;
      if (message.type === "result") return { states: [...new Set(states)], said: message.result.content[0].text.slice(0, 40) };
      states.push(message.task.status);
    }
    return { error: "it ended without a result" };
  },
};

async function look(target) {
  const seen = {};
  const came = (kind, note) => { (seen[kind] ??= []).push(note); };
  const client = await tried(() => opened(target, came), 4 * PATIENCE);
  const found = {};
  for (const [feature, see] of Object.entries(FEATURES)) {
    if (!(feature in target.asks)) continue;
    for (const kind of Object.keys(seen)) delete seen[kind];
    found[feature] = client.error ? client : await tried(() => see(client, target.asks[feature], seen), feature === "tasks" ? 3 * PATIENCE : PATIENCE);
  }
  await client.close?.();
  return found;
}

const all = [];
for (const target of JSON.parse(readFileSync(0, "utf8"))) all.push(await look(target));
process.stdout.write(JSON.stringify(all), () => process.exit(0));
