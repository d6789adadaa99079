// A server on the SDK for TypeScript, each feature once: typescript.mjs NODE_MODULES typescript-1|typescript-2
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, which] = process.argv.slice(2);
const require = createRequire(`${modules}/x.js`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const old = which === "typescript-1";
const sdk = await load(old ? "@modelcontextprotocol/sdk/server/mcp.js" : "@modelcontextprotocol/server");
const { z } = await load("zod");
const completable = old ? (await load("@modelcontextprotocol/sdk/server/completable.js")).completable : sdk.completable;
const text = (said) => ({ content: [{ type: "text", text: said }] });
const pause = (ms, signal) => new Promise((done, fail) => {
  setTimeout(done, ms);
  signal?.addEventListener("abort", () => fail(new Error("cancelled")));
});
const FORM = { type: "object", properties: { name: { type: "string" } }, required: ["name"] };
const SAY = { messages: [{ role: "user", content: { type: "text", text: "Say hi" } }], maxTokens: 10 };
const URL_MODE = { message: "Go", url: "https://example.com/x" };
let cancelled = 0;
let grown = 0;

// What asks: in a revision with a handshake during the call; in the other the answer is the question, and the SDK does the other way for old clients.
function questions(server) {
  const raw = server.server;
  const during = {
    sample: async (ctx) => (await raw.createMessage(SAY, { relatedRequestId: ctx.requestId })).content.text,
    elicit: async (ctx) => { const got = await raw.elicitInput({ mode: "form", message: "Who?", requestedSchema: FORM }, { relatedRequestId: ctx.requestId }); return `${got.action} ${got.content?.name}`; },
    elicit_url: async (ctx) => (await raw.elicitInput({ mode: "url", elicitationId: "e1", ...URL_MODE }, { relatedRequestId: ctx.requestId })).action,
    roots: async (ctx) => (await raw.listRoots({}, { relatedRequestId: ctx.requestId })).roots[0].uri,
  };
  const ask = sdk.inputRequired;
  const instead = {
    sample: [() => ask.createMessage(SAY), (got) => got.content.text],
    elicit: [() => ask.elicit({ message: "Who?", requestedSchema: FORM }), (got) => `${got.action} ${got.content?.name}`],
    elicit_url: [() => ask.elicitUrl(URL_MODE), (got) => got.action],
    roots: [() => ask.listRoots(), (got) => got.roots[0].uri],
  };
  for (const name of Object.keys(during)) {
    server.registerTool(name, { inputSchema: z.object({}) }, async (_given, ctx) => {
      if (old) return text(await during[name](ctx));
      const [question, said] = instead[name];
      const got = ctx.mcpReq.inputResponses?.q;
      return got ? text(said(got)) : ask({ inputRequests: { q: question() } });
    });
  }
}

function make() {
  const server = new sdk.McpServer({ name: which, version: "1" }, { capabilities: { logging: {}, resources: { subscribe: true, listChanged: true } } });
  const tool = (name, does, more = {}) => server.registerTool(name, { inputSchema: z.object({}), ...more }, (_given, ctx) => does(ctx));
  const note = (ctx, params) => (old ? ctx.sendNotification(params) : ctx.mcpReq.notify(params));
  server.registerTool("echo", { inputSchema: z.object({ text: z.string() }) }, async (given) => text(`echo ${given.text}`));
  tool("progress", async (ctx) => {
    const progressToken = old ? ctx._meta?.progressToken : ctx.mcpReq._meta?.progressToken;
    for (let progress = 1; progress <= 3; progress++) {
      if (progressToken !== undefined) await note(ctx, { method: "notifications/progress", params: { progressToken, progress, total: 3 } });
      await pause(20);
    }
    return text("done");
  });
  tool("log", async (ctx) => {
    if (old) await server.sendLoggingMessage({ level: "warning", data: "a line" }, ctx.sessionId);
    else await ctx.mcpReq.log("warning", "a line");
    return text("logged");
  });
  tool("slow", async (ctx) => {
    await pause(8000, old ? ctx.signal : ctx.mcpReq.signal).catch((error) => { cancelled += 1; throw error; });
    return text("slept");
  });
  tool("cancelled", async () => text(String(cancelled)));
  tool("grow", async () => { server.registerTool(`grown_${grown++}`, {}, async () => text("grown")); return text("grew"); });
  tool("touch", async () => { await server.server.sendResourceUpdated({ uri: "demo://item" }); return text("touched"); });
  tool("view", async () => text("shown"), { _meta: { ui: { resourceUri: "ui://demo/view" } } });
  questions(server);
  const read = async (uri) => ({ contents: [{ uri: uri.href, text: `of ${uri.href}` }] });
  server.registerResource("item", "demo://item", {}, read);
  server.registerResource("view", "ui://demo/view", { mimeType: "text/html;profile=mcp-app" }, read);
  server.registerResource("thing", new sdk.ResourceTemplate("demo://thing/{id}", { list: undefined }), {}, read);
  const names = ["Ada", "Alan", "Bob"];
  const name = completable(z.string(), (value) => names.filter((one) => one.startsWith(value)));
  server.registerPrompt("greet", { argsSchema: old ? { name } : z.object({ name }) }, async (given) => ({
    messages: [{ role: "user", content: { type: "text", text: `Hello ${given.name}` } }],
  }));
  return server;
}

if (old) {
  const { StdioServerTransport } = await load("@modelcontextprotocol/sdk/server/stdio.js");
  const { SubscribeRequestSchema, UnsubscribeRequestSchema } = await load("@modelcontextprotocol/sdk/types.js");
  const server = make();
  for (const schema of [SubscribeRequestSchema, UnsubscribeRequestSchema]) server.server.setRequestHandler(schema, async () => ({}));
  await server.connect(new StdioServerTransport());
} else {
  const { serveStdio } = await load("@modelcontextprotocol/server/stdio");
  serveStdio(() => {
    const server = make();
    for (const method of ["resources/subscribe", "resources/unsubscribe"]) server.server.setRequestHandler(method, async () => ({}));
    return server;
  });
}
