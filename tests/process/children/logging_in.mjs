// A client on the protocol's TypeScript SDK that logs in by what the gateway says: node logging_in.mjs SDK_FOLDER URL CALLBACK
// For each address at which somebody has to consent it prints one line, and reads the code from its input; then it makes a call and prints its text.
import { createInterface } from 'node:readline';
const [sdk, url, callback] = process.argv.slice(2);
const { Client } = await import(`${sdk}/client/index.js`);
const { StreamableHTTPClientTransport } = await import(`${sdk}/client/streamableHttp.js`);
const { UnauthorizedError } = await import(`${sdk}/client/auth.js`);

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const kept = {};
const authProvider = {
  redirectUrl: callback,
  clientMetadata: { client_name: 'test', redirect_uris: [callback], grant_types: ['authorization_code', 'refresh_token'] },
  clientInformation: () => kept.client,
  saveClientInformation: (client) => { kept.client = client; },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { kept.tokens = tokens; },
  redirectToAuthorization: (address) => console.log(String(address)),
  saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
  codeVerifier: () => kept.verifier,
};
const open = () => new StreamableHTTPClientTransport(new URL(url), { authProvider });

let client = new Client({ name: 'typescript', version: '1' }, { capabilities: {} });
let transport = open();
try {
  await client.connect(transport);
} catch (error) {
  if (!(error instanceof UnauthorizedError)) throw error;
  await transport.finishAuth((await lines.next()).value);
  client = new Client({ name: 'typescript', version: '1' }, { capabilities: {} });
  transport = open();
  await client.connect(transport);
}
const result = await client.callTool({ name: 'one_echo', arguments: { text: 'from typescript' } });
console.log(JSON.stringify(result.content[0].text));
await transport.terminateSession();
await client.close();
process.exit(0);
