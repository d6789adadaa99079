use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use rmcp::model::*;
use rmcp::service::{NotificationContext, PeerRequestOptions, RequestContext, RoleClient, RunningService};
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt, ErrorData};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(6);
const ORDER: &str = "tools resources prompts completion apps progress log sampling elicitation url roots cancel subscribe list_changed";
const LEVEL: &str = "io.modelcontextprotocol/logLevel";

type Session = RunningService<RoleClient, Came>;

/// What came by itself.
#[derive(Clone, Default)]
struct Came(Arc<Mutex<HashMap<&'static str, Vec<Value>>>>);

impl Came {
    fn add(&self, kind: &'static str, note: Value) {
        self.0.lock().expect("nobody panics").entry(kind).or_default().push(note);
    }

    fn all(&self, kind: &str) -> Vec<Value> {
        self.0.lock().expect("nobody panics").get(kind).cloned().unwrap_or_default()
    }

    async fn first(&self, kind: &str) -> Value {
        let until = Instant::now() + PATIENCE / 2;
        while Instant::now() < until {
            if let Some(note) = self.all(kind).first() {
                return note.clone();
            }
            sleep(Duration::from_millis(20)).await;
        }
        json!({"error": "nothing came"})
    }
}

fn made<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

impl ClientHandler for Came {
    fn get_info(&self) -> ClientConfig {
        let capabilities = json!({"sampling": {}, "elicitation": {"form": {}, "url": {}}, "roots": {"listChanged": true}});
        ClientConfig::new(serde_json::from_value(capabilities).expect("they are the protocol's"), Implementation::new("rust", "1"))
    }

    async fn create_message(
        &self,
        _asked: CreateMessageRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        made(json!({"role": "assistant", "model": "demo", "content": {"type": "text", "text": "hi there"}}))
    }

    async fn list_roots(&self, _context: RequestContext<RoleClient>) -> Result<ListRootsResult, ErrorData> {
        made(json!({"roots": [{"uri": "file:///demo", "name": "demo"}]}))
    }

    async fn create_elicitation(&self, asked: ElicitRequestParams, _context: RequestContext<RoleClient>) -> Result<ElicitResult, ErrorData> {
        match asked {
            ElicitRequestParams::UrlElicitationParams { .. } => made(json!({"action": "accept"})),
            _ => made(json!({"action": "accept", "content": {"name": "Ada"}})),
        }
    }

    async fn on_progress(&self, note: ProgressNotificationParam, _context: NotificationContext<RoleClient>) {
        self.add("progress", json!(note.progress));
    }

    async fn on_logging_message(&self, note: LoggingMessageNotificationParam, _context: NotificationContext<RoleClient>) {
        self.add("log", note.data);
    }

    async fn on_resource_updated(&self, note: ResourceUpdatedNotificationParam, _context: NotificationContext<RoleClient>) {
        self.add("updated", json!(note.uri));
    }

    async fn on_tool_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.add("changed", json!("tools"));
    }
}

pub async fn look_at_all() -> anyhow::Result<()> {
    let mut given = String::new();
    std::io::stdin().read_to_string(&mut given)?;
    let targets: Vec<Value> = serde_json::from_str(&given)?;
    let mut found = Vec::new();
    for target in &targets {
        found.push(look(target).await);
    }
    println!("{}", serde_json::to_string(&found)?);
    Ok(())
}

fn failed(error: impl std::fmt::Display) -> Value {
    json!({"error": error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")})
}

async fn look(target: &Value) -> Value {
    let asks = target["asks"].as_object().cloned().unwrap_or_default();
    let came = Came::default();
    let session = match timeout(PATIENCE * 2, connect(target, came.clone())).await {
        Ok(Ok(session)) => session,
        Ok(Err(error)) => {
            return asks.keys().map(|feature| (feature.clone(), failed(format!("{error:#}")))).collect::<serde_json::Map<_, _>>().into();
        }
        Err(_) => return asks.keys().map(|feature| (feature.clone(), failed("no connection in time"))).collect::<serde_json::Map<_, _>>().into(),
    };
    let mut found = serde_json::Map::new();
    for feature in ORDER.split(' ') {
        if let Some(ask) = asks.get(feature) {
            came.0.lock().expect("nobody panics").clear();
            let seen = match timeout(PATIENCE, see(&session, &came, feature, ask)).await {
                Ok(Ok(seen)) => seen,
                Ok(Err(error)) => failed(format!("{error:#}")),
                Err(_) => failed("no answer"),
            };
            found.insert(feature.to_owned(), seen);
        }
    }
    let _ = session.cancel().await;
    found.into()
}

async fn connect(target: &Value, came: Came) -> anyhow::Result<Session> {
    let mode = ClientLifecycleMode::Auto { preferred_versions: vec![ProtocolVersion::V_2026_07_28], legacy_version: None };
    if let Some(url) = target["url"].as_str() {
        return Ok(came.serve_with_lifecycle(StreamableHttpClientTransport::from_uri(url), mode).await?);
    }
    let stdio = &target["stdio"];
    let mut command = Command::new(stdio["command"].as_str().context("no command")?);
    command.args(stdio["args"].as_array().into_iter().flatten().filter_map(Value::as_str));
    command.envs(stdio["env"].as_object().into_iter().flatten().filter_map(|(key, value)| Some((key, value.as_str()?))));
    Ok(came.serve_with_lifecycle(TokioChildProcess::new(command)?, mode).await?)
}

fn text_of(got: &CallToolResult) -> Value {
    let said: Vec<&str> = got.content.iter().filter_map(|part| part.as_text()).map(|part| part.text.as_str()).collect();
    if got.is_error == Some(true) { failed(said.join(" ")) } else { json!(said.join(" ")) }
}

fn asked(tool: &str, ask: &Value) -> CallToolRequestParams {
    CallToolRequestParams::new(tool.to_owned()).with_arguments(ask["arguments"].as_object().cloned().unwrap_or_default())
}

async fn call(session: &Session, ask: &Value) -> anyhow::Result<Value> {
    Ok(text_of(&session.call_tool(asked(ask["tool"].as_str().unwrap_or_default(), ask)).await?))
}

async fn read(session: &Session, uri: &str) -> anyhow::Result<Value> {
    let got = serde_json::to_value(session.read_resource(ReadResourceRequestParams::new(uri)).await?)?;
    Ok(got["contents"][0]["text"].clone())
}

async fn see(session: &Session, came: &Came, feature: &str, ask: &Value) -> anyhow::Result<Value> {
    match feature {
        "tools" => {
            let names: Vec<_> = session.list_all_tools().await?.into_iter().map(|tool| tool.name).collect();
            Ok(json!({"names": names, "said": call(session, ask).await?}))
        }
        "resources" => {
            let mut uris: Vec<_> = session.list_all_resources().await?.into_iter().map(|one| one.uri).collect();
            uris.extend(session.list_all_resource_templates().await?.into_iter().map(|one| one.uri_template));
            Ok(json!({"names": uris, "said": read(session, ask["uri"].as_str().unwrap_or_default()).await?}))
        }
        "prompts" => {
            let names: Vec<_> = session.list_all_prompts().await?.into_iter().map(|one| one.name).collect();
            let params = serde_json::from_value(json!({"name": ask["prompt"], "arguments": ask["arguments"]}))?;
            let got = serde_json::to_value(session.get_prompt(params).await?)?;
            Ok(json!({"names": names, "said": got["messages"][0]["content"]["text"]}))
        }
        "completion" => {
            let word = |key: &str| ask[key].as_str().unwrap_or_default().to_owned();
            Ok(json!(session.complete_prompt_argument(word("prompt"), word("argument"), word("value"), None).await?.values))
        }
        "apps" => {
            let tools = serde_json::to_value(session.list_all_tools().await?)?;
            let tool = tools.as_array().into_iter().flatten().find(|tool| tool["name"] == ask["tool"]);
            let uri = tool.and_then(|tool| tool["_meta"]["ui"]["resourceUri"].as_str()).ok_or_else(|| anyhow!("no tool with a view"))?;
            Ok(json!({"uri": uri, "said": read(session, uri).await?}))
        }
        "progress" => {
            let said = call(session, ask).await?; // each request of this SDK has a token of its own
            sleep(Duration::from_millis(100)).await;
            Ok(json!({"said": said, "notes": came.all("progress")}))
        }
        "log" => log(session, came, ask).await,
        "cancel" => cancel(session, ask).await,
        "subscribe" => {
            let uri = ask["uri"].as_str().unwrap_or_default();
            let filter = serde_json::from_value(json!({"resourceSubscriptions": [uri]}))?;
            if let Ok(mut stream) = session.listen(filter).await {
                call(session, ask).await?;
                return Ok(serde_json::to_value(stream.next().await?)?["params"]["uri"].clone());
            }
            session.subscribe(SubscribeRequestParams::new(uri)).await?;
            call(session, ask).await?;
            Ok(came.first("updated").await)
        }
        "list_changed" => {
            let filter = serde_json::from_value(json!({"toolsListChanged": true}))?;
            if let Ok(mut stream) = session.listen(filter).await {
                call(session, ask).await?;
                return Ok(stream.next().await?.map_or_else(|| failed("the stream ended"), |_| json!("tools")));
            }
            call(session, ask).await?;
            Ok(came.first("changed").await)
        }
        _ => call(session, ask).await,
    }
}

/// One of the two is heard: a level for the session, or one with the request.
async fn log(session: &Session, came: &Came, ask: &Value) -> anyhow::Result<Value> {
    let _ = session.set_level(serde_json::from_value(json!({"level": "info"}))?).await;
    let mut params = asked(ask["tool"].as_str().unwrap_or_default(), ask);
    params.meta = Some(serde_json::from_value(json!({LEVEL: "info"}))?);
    session.call_tool(params).await?;
    Ok(came.first("log").await)
}

async fn cancel(session: &Session, ask: &Value) -> anyhow::Result<Value> {
    let witness = json!({"tool": ask["then"]});
    let before = call(session, &witness).await?;
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(asked(ask["tool"].as_str().unwrap_or_default(), ask)));
    let open = session.send_cancellable_request(request, PeerRequestOptions::no_options()).await?;
    sleep(Duration::from_millis(300)).await;
    open.cancel(None).await?;
    sleep(Duration::from_millis(300)).await;
    Ok(if before == call(session, &witness).await? { failed("it was not told to the tool") } else { json!("told") })
}
