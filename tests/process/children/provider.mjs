// A real identity provider on loopback: node provider.mjs MODULES PORT KEY FORMAT. Says its issuer once it listens, and logs everybody in as ann.
// KEY is a file with the key that it signs with, made where there is none; FORMAT is that of access tokens, jwt or opaque.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { generateKeyPairSync, randomUUID } from 'node:crypto';

const [modules, port, key, format] = process.argv.slice(2);
const { Provider } = await import(`${modules}/oidc-provider/lib/index.js`);

if (!existsSync(key)) {
  const made = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  writeFileSync(key, JSON.stringify({ ...made, kid: randomUUID(), alg: 'ES256', use: 'sig' }));
}
const secret = 'a-secret-of-forty-characters-for-the-tests';
const server = createServer();
await new Promise((listens) => server.listen(Number(port), '127.0.0.1', listens));
const issuer = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, {
  jwks: { keys: [JSON.parse(readFileSync(key, 'utf8'))] },
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
  clients: [
    { client_id: 'gate', client_secret: secret, redirect_uris: [], response_types: [], grant_types: [] },
    {
      client_id: 'desktop', token_endpoint_auth_method: 'none', redirect_uris: ['http://127.0.0.1:9/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
    },
    {
      client_id: 'robot', client_secret: secret, redirect_uris: [], response_types: [],
      grant_types: ['client_credentials'], scope: 'mcp:tools mcp:write',
    },
  ],
  cookies: { keys: ['of the tests'] },
  findAccount: (_context, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
  issueRefreshToken: async (_context, client) => client.grantTypeAllowed('refresh_token'),
  pkce: { required: () => true },
  scopes: ['openid', 'offline_access', 'mcp:tools', 'mcp:write'],
  ttl: { AccessToken: 600, ClientCredentials: 600, Grant: 3600, Interaction: 600, RefreshToken: 3600, Session: 3600, IdToken: 600 },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true },
    registration: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: async () => undefined,
      useGrantedResource: async () => true,
      getResourceServerInfo: async (_context, resource) => ({ scope: 'mcp:tools mcp:write', audience: resource, accessTokenFormat: format }),
    },
  },
});

async function finish(request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    return provider.interactionFinished(request, response, { login: { accountId: 'ann' } }, { mergeWithLastSubmission: false });
  }
  const grant = grantId ? await provider.Grant.find(grantId) : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope((prompt.details.missingOIDCScope ?? []).join(' '));
  for (const [resource, scopes] of Object.entries(prompt.details.missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, scopes.join(' '));
  }
  const result = { consent: { grantId: await grant.save() } };
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

const answer = provider.callback();
server.on('request', (request, response) => {
  if (!request.url.startsWith('/interaction/')) {
    answer(request, response);
  } else {
    finish(request, response).catch((error) => response.writeHead(500).end(String(error)));
  }
});
console.log(issuer);
