// A client on the protocol's TypeScript SDK: does what a desktop program does, and prints what came of it as one JSON object.
// node client.mjs SDK_FOLDER URL
const [sdk, url] = process.argv.slice(2);
const { Client } = await import(`${sdk}/client/index.js`);
const { StreamableHTTPClientTransport } = await import(`${sdk}/client/streamableHttp.js`);

const transport = new StreamableHTTPClientTransport(new URL(url));
const client = new Client({ name: "typescript", version: "1" }, { capabilities: {} });
const slow = (duration, steps) => ({ name: "all_trigger-long-running-operation", arguments: { duration, steps } });
const said = {};

await client.connect(transport);
said.protocol = transport.protocolVersion;
said.capabilities = client.getServerCapabilities();
said.tools = (await client.listTools()).tools.map((tool) => tool.name);
said.echo = (await client.callTool({ name: "all_echo", arguments: { message: "grüezi" } })).content[0].text;
said.progress = [];
await client.callTool(slow(0.4, 4), undefined, { onprogress: (note) => said.progress.push(note.progress) });
const change = new AbortController();
setTimeout(() => change.abort("changed my mind"), 100);
said.aborted = await client.callTool(slow(60, 5), undefined, { signal: change.signal }).catch((error) => error.message);
const [first] = (await client.listResources()).resources;
said.resource = [first.uri, (await client.readResource({ uri: first.uri })).contents[0].uri];
const ref = { type: "ref/prompt", name: "all_completable-prompt" };
said.completion = (await client.complete({ ref, argument: { name: "department", value: "E" } })).completion.values;
said.mistake = await client.callTool({ name: "nobody_has_this", arguments: {} }).catch((error) => [error.code, error.message]);
await client.ping();
await transport.terminateSession();
await client.close();
console.log(JSON.stringify(said));
