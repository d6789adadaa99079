use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rmcp::model::*;
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext, SubscriptionSink};
use rmcp::transport::stdio;
use rmcp::{ErrorData, ServerHandler, ServiceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Mutex;

type Context = RequestContext<RoleServer>;

#[derive(Default)]
struct Demo {
    cancelled: AtomicUsize,
    grown: AtomicUsize,
    sinks: Mutex<HashMap<usize, SubscriptionSink>>,
}

pub async fn serve() -> anyhow::Result<()> {
    Demo::default().serve(stdio()).await?.waiting().await?;
    Ok(())
}

fn made<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

fn text(said: impl Into<String>) -> Result<CallToolResponse, ErrorData> {
    Ok(CallToolResult::success(vec![ContentBlock::text(said.into())]).into())
}

fn failed(error: impl std::fmt::Display) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

/// What a tool asks before it has an answer of its own.
fn question(tool: &str) -> Option<(Value, fn(&Value) -> String)> {
    let form = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
    let hi = json!([{"role": "user", "content": {"type": "text", "text": "Say hi"}}]);
    Some(match tool {
        "sample" => (json!({"method": "sampling/createMessage", "params": {"messages": hi, "maxTokens": 10}}), |got| {
            got["content"]["text"].as_str().unwrap_or_default().to_owned()
        }),
        "elicit" => (json!({"method": "elicitation/create", "params": {"mode": "form", "message": "Who?", "requestedSchema": form}}), |got| {
            format!("{} {}", got["action"].as_str().unwrap_or_default(), got["content"]["name"].as_str().unwrap_or_default())
        }),
        "elicit_url" => (
            json!({"method": "elicitation/create", "params": {"mode": "url", "message": "Go", "url": "https://example.com/x", "elicitationId": "e1"}}),
            |got| got["action"].as_str().unwrap_or_default().to_owned(),
        ),
        "roots" => (json!({"method": "roots/list"}), |got| got["roots"][0]["uri"].as_str().unwrap_or_default().to_owned()),
        _ => return None,
    })
}

impl Demo {
    /// Ask during the call where the revision has a handshake, and answer with the question where it has none.
    async fn ask(&self, request: &CallToolRequestParams, context: &Context) -> Result<CallToolResponse, ErrorData> {
        let (asked, said) = question(&request.name).ok_or_else(|| ErrorData::invalid_params("no such tool", None))?;
        if context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28) {
            if let Some(got) = request.input_responses.as_ref().and_then(|responses| responses.get("q")) {
                return text(said(&serde_json::to_value(got).map_err(failed)?));
            }
            return Ok(CallToolResponse::InputRequired(made(json!({"resultType": "input_required", "inputRequests": {"q": asked}}))?));
        }
        let got = context.peer.send_request(made(asked)?).await.map_err(failed)?;
        text(said(&serde_json::to_value(got).map_err(failed)?))
    }

    async fn grow(&self, context: &Context) -> Result<CallToolResponse, ErrorData> {
        self.grown.fetch_add(1, Ordering::Relaxed);
        for sink in self.sinks.lock().await.values() {
            let _ = sink.notify_tool_list_changed().await;
        }
        let _ = context.peer.notify_tool_list_changed().await;
        text("grew")
    }

    async fn touch(&self, context: &Context) -> Result<CallToolResponse, ErrorData> {
        for sink in self.sinks.lock().await.values() {
            let _ = sink.notify_resource_updated("demo://item").await;
        }
        let _ = context.peer.notify_resource_updated(made(json!({"uri": "demo://item"}))?).await;
        text("touched")
    }

    async fn progress(&self, context: &Context) -> Result<CallToolResponse, ErrorData> {
        if let Some(token) = context.meta.get_progress_token() {
            for step in 1..=3 {
                let note = json!({"progressToken": token, "progress": step, "total": 3});
                context.peer.notify_progress(made(note)?).await.map_err(failed)?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        text("done")
    }

    async fn log(&self, context: &Context) -> Result<CallToolResponse, ErrorData> {
        let note = made(json!({"level": "warning", "data": "a line"}))?;
        context.peer.notify_logging_message(note).await.map_err(failed)?;
        text("logged")
    }

    async fn slow(&self, context: &Context) -> Result<CallToolResponse, ErrorData> {
        tokio::select! {
            () = context.ct.cancelled() => { self.cancelled.fetch_add(1, Ordering::Relaxed); }
            () = tokio::time::sleep(Duration::from_secs(8)) => {}
        }
        text("slept")
    }
}

impl ServerHandler for Demo {
    fn get_info(&self) -> ServerConfig {
        let capabilities = json!({
            "tools": {"listChanged": true}, "resources": {"subscribe": true, "listChanged": true},
            "prompts": {}, "completions": {}, "logging": {},
        });
        ServerConfig::new(serde_json::from_value(capabilities).expect("they are the protocol's")).with_server_info(Implementation::new("rust", "1"))
    }

    async fn list_tools(&self, _page: Option<PaginatedRequestParams>, _context: Context) -> Result<ListToolsResult, ErrorData> {
        let names = "echo progress log slow cancelled sample elicit elicit_url roots grow touch view";
        let mut tools: Vec<Value> = names.split(' ').map(|name| json!({"name": name, "inputSchema": {"type": "object"}})).collect();
        tools[11]["_meta"] = json!({"ui": {"resourceUri": "ui://demo/view"}});
        let grown = self.grown.load(Ordering::Relaxed);
        tools.extend((0..grown).map(|number| json!({"name": format!("grown_{number}"), "inputSchema": {"type": "object"}})));
        made(json!({"resultType": "complete", "tools": tools}))
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: Context) -> Result<CallToolResponse, ErrorData> {
        match request.name.as_ref() {
            "echo" => {
                let given = request.arguments.unwrap_or_default();
                text(format!("echo {}", given["text"].as_str().unwrap_or_default()))
            }
            "progress" => self.progress(&context).await,
            "log" => self.log(&context).await,
            "slow" => self.slow(&context).await,
            "cancelled" => text(self.cancelled.load(Ordering::Relaxed).to_string()),
            "grow" => self.grow(&context).await,
            "touch" => self.touch(&context).await,
            "view" => text("shown"),
            _ => self.ask(&request, &context).await,
        }
    }

    async fn list_resources(&self, _page: Option<PaginatedRequestParams>, _context: Context) -> Result<ListResourcesResult, ErrorData> {
        let view = json!({"uri": "ui://demo/view", "name": "view", "mimeType": "text/html;profile=mcp-app"});
        made(json!({"resultType": "complete", "resources": [{"uri": "demo://item", "name": "item"}, view]}))
    }

    async fn list_resource_templates(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        made(json!({"resultType": "complete", "resourceTemplates": [{"uriTemplate": "demo://thing/{id}", "name": "thing"}]}))
    }

    async fn read_resource(&self, request: ReadResourceRequestParams, _context: Context) -> Result<ReadResourceResponse, ErrorData> {
        let contents = json!([{"uri": request.uri, "text": format!("of {}", request.uri)}]);
        Ok(ReadResourceResponse::Complete(made(json!({"resultType": "complete", "contents": contents}))?))
    }

    async fn list_prompts(&self, _page: Option<PaginatedRequestParams>, _context: Context) -> Result<ListPromptsResult, ErrorData> {
        made(json!({"resultType": "complete", "prompts": [{"name": "greet", "arguments": [{"name": "name"}]}]}))
    }

    async fn get_prompt(&self, request: GetPromptRequestParams, _context: Context) -> Result<GetPromptResponse, ErrorData> {
        let given = request.arguments.unwrap_or_default();
        let said = format!("Hello {}", given["name"].as_str().unwrap_or_default());
        Ok(GetPromptResponse::Complete(made(
            json!({"resultType": "complete", "messages": [{"role": "user", "content": {"type": "text", "text": said}}]}),
        )?))
    }

    async fn complete(&self, request: CompleteRequestParams, _context: Context) -> Result<CompleteResult, ErrorData> {
        let found: Vec<&str> = ["Ada", "Alan", "Bob"].into_iter().filter(|name| name.starts_with(&request.argument.value)).collect();
        made(json!({"resultType": "complete", "completion": {"values": found}}))
    }

    async fn set_level(&self, _request: SetLevelRequestParams, _context: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn subscribe(&self, _request: SubscribeRequestParams, _context: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(&self, _request: UnsubscribeRequestParams, _context: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        static NUMBERS: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        self.sinks.lock().await.insert(number, context.sink().clone());
        context.cancelled().await;
        self.sinks.lock().await.remove(&number);
        Ok(())
    }
}
