//! The SDK for Rust, as a server ("serve") and as a client, which reads targets as JSON from stdin and writes what it saw of each feature to stdout.
#![allow(deprecated)] // sampling, roots and the log are, and are looked at all the same

mod client;
mod server;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("serve") { server::serve().await } else { client::look_at_all().await }
}
