//! The client of the local API: HTTP/1.1 over the Unix socket in a data folder.
//!
//! Guarantees: answers are bounded; a node that is not there, an error of the node and an answer that cannot be
//! read are told apart and carry the exit code and the next command. One connection per request.

use std::path::PathBuf;
use std::time::Duration;

use futures::future::Either;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::api::dto::{ErrorView, EventView};
use crate::errors::{CliError, Exit};
use crate::paths::DataDir;

/// Largest answer that is read, in bytes.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// Largest server-sent event that is read, in bytes.
pub const MAX_EVENT_BYTES: usize = 1024 * 1024;
/// The word for a node that took a request and went away before it answered.
pub const WENT_AWAY: &str = "went_away";
/// How long an answer may take where the request does not ask to wait.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A client of the node in one data folder.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client of the node in `dir`, which need not run yet.
    pub fn new(dir: &DataDir) -> Result<Self, CliError> {
        Ok(Self { socket: dir.socket()? })
    }

    /// Gets an answer in JSON.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        let body = self.request(Method::GET, path, Content::None, ANSWER_TIMEOUT).await?;
        self.read(&body)
    }

    /// Gets a text.
    pub async fn get_text(&self, path: &str) -> Result<String, CliError> {
        let body = self.request(Method::GET, path, Content::None, ANSWER_TIMEOUT).await?;
        String::from_utf8(body.to_vec()).map_err(|error| self.unreadable(&error))
    }

    /// Posts bytes and gets an answer in JSON. `waiting` is how long the node was asked to wait.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Vec<u8>,
        waiting: Duration,
    ) -> Result<T, CliError> {
        let limit = waiting.saturating_add(ANSWER_TIMEOUT);
        let answer = self.request(Method::POST, path, Content::Bytes(body), limit).await?;
        self.read(&answer)
    }

    /// Posts JSON and gets an answer in JSON.
    pub async fn post_json<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, CliError> {
        let body = serde_json::to_vec(body).map_err(|error| self.unreadable(&error))?;
        let answer = self.request(Method::POST, path, Content::Json(body), ANSWER_TIMEOUT).await?;
        self.read(&answer)
    }

    /// Follows events until the node stops.
    pub async fn events(&self, path: &str) -> Result<Events, CliError> {
        let response = tokio::time::timeout(ANSWER_TIMEOUT, self.send(Method::GET, path, Content::None))
            .await
            .map_err(|_| self.silent(ANSWER_TIMEOUT))??;
        if response.status() == StatusCode::OK {
            Ok(Events { body: response.into_body(), buffer: Vec::new() })
        } else {
            let status = response.status();
            let body = self.collect(response).await?;
            Err(self.refused(status, &body))
        }
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Content,
        limit: Duration,
    ) -> Result<Bytes, CliError> {
        let answer = async {
            let response = self.send(method, path, body).await?;
            let status = response.status();
            let body = self.collect(response).await?;
            if status.is_success() { Ok(body) } else { Err(self.refused(status, &body)) }
        };
        tokio::time::timeout(limit, answer).await.map_err(|_| self.silent(limit))?
    }

    async fn send(&self, method: Method, path: &str, body: Content) -> Result<Response<Incoming>, CliError> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| self.down(&error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(&error))?;
        let (kind, body) = body.into_parts();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "entente")
            .header("content-type", kind)
            .body(Full::new(body))
            .map_err(|error| CliError::usage("cannot ask the node", error, "entente --help"))?;
        // The connection moves bytes only while it is polled: it runs beside the exchange and then to its end.
        let connection = Box::pin(connection);
        let exchange = Box::pin(sender.send_request(request));
        let (answer, connection) = match futures::future::select(exchange, connection).await {
            Either::Left((answer, connection)) => (answer, Some(connection)),
            Either::Right((_, exchange)) => (exchange.await, None),
        };
        if let Some(connection) = connection {
            tokio::spawn(connection);
        }
        answer.map_err(|error| self.broken(&error))
    }

    async fn collect(&self, response: Response<Incoming>) -> Result<Bytes, CliError> {
        match Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(CliError::new(
                Exit::Failure,
                "the node's answer is too large",
                format!("more than {MAX_ANSWER_BYTES} bytes are not read"),
                "ask for less: one operation (entente op show ID), or fewer leaves or entries (--limit N)",
            )),
            Err(error) => Err(self.broken(&*error)),
        }
    }

    fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, CliError> {
        serde_json::from_slice(body).map_err(|error| self.unreadable(&error))
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> CliError {
        match serde_json::from_slice::<ErrorView>(body) {
            Ok(view) => CliError::new(
                Exit::for_code(&view.code),
                refusal(&view.code),
                view.error,
                view.next.unwrap_or_else(|| Self::hint("status")),
            )
            .with_code(view.code),
            Err(_) => CliError::new(
                Exit::Failure,
                "the node refused",
                format!("HTTP status {status}"),
                "check that program and node are of one version: entente --version",
            ),
        }
    }

    fn hint(command: &str) -> String {
        format!("entente {command}")
    }

    fn down(&self, error: &std::io::Error) -> CliError {
        if error.kind() == std::io::ErrorKind::PermissionDenied {
            return CliError::denied(
                "this user may not speak with the node",
                format!("{}: {error}", self.socket.display()),
                "run the command as the user that runs the node",
            );
        }
        CliError::new(
            Exit::NodeDown,
            "no node is running here",
            format!("nothing answers at {} ({error})", self.socket.display()),
            Self::hint("up"),
        )
    }

    fn broken(&self, error: &dyn std::error::Error) -> CliError {
        CliError::new(
            Exit::NodeDown,
            "the node went away before it answered",
            format!("{error}; what it had taken is held in its store"),
            Self::hint("up"),
        )
        .with_code(WENT_AWAY)
    }

    fn silent(&self, limit: Duration) -> CliError {
        CliError::new(
            Exit::Timeout,
            "the node did not answer",
            format!("nothing came within {} s", limit.as_secs()),
            Self::hint("status"),
        )
    }

    fn unreadable(&self, error: &dyn std::error::Error) -> CliError {
        CliError::new(
            Exit::Failure,
            "cannot read the node's answer",
            error,
            "check that program and node are of one version: entente --version",
        )
    }
}

/// The node's word for its refusal, in words.
fn refusal(code: &str) -> String {
    let words = match code {
        "ambiguous" => "that may mean several",
        "backlog" => "too much waits already",
        "bad_id" => "that is not the beginning of an id",
        "closed" => "it is closed",
        "denied" => "that is not allowed",
        "frozen" => "this node's feed is frozen",
        "malformed" => "that cannot be read",
        "not_enrolled" => "this node takes no part yet",
        "other" => "that is something else",
        "not_ordered" => "that is not decided or ordered yet",
        "too_large" => "that is too large",
        "undeclared" => "the charter declares no such type",
        "unknown" => "that is unknown here",
        _ => return format!("the node refused ({code})"),
    };
    format!("the node refused: {words} ({code})")
}

/// What a request carries.
enum Content {
    None,
    Bytes(Vec<u8>),
    Json(Vec<u8>),
}

impl Content {
    fn into_parts(self) -> (&'static str, Bytes) {
        match self {
            Self::None => ("application/octet-stream", Bytes::new()),
            Self::Bytes(bytes) => ("application/octet-stream", bytes.into()),
            Self::Json(bytes) => ("application/json", bytes.into()),
        }
    }
}

/// Server-sent events (WHATWG HTML, section 9.2), as far as the node writes them.
pub struct Events {
    body: Incoming,
    buffer: Vec<u8>,
}

impl Events {
    /// The next event; `None` when the node closes the stream. Cancel-safe: what was read stays in the buffer.
    pub async fn next(&mut self) -> Result<Option<EventView>, CliError> {
        loop {
            while let Some(block) = take_block(&mut self.buffer) {
                if let Some(data) = data_of(&block) {
                    return serde_json::from_str(&data).map(Some).map_err(|error| {
                        CliError::new(
                            Exit::Failure,
                            "cannot read an event",
                            error,
                            "check that program and node are of one version: entente --version",
                        )
                    });
                }
            }
            if self.buffer.len() > MAX_EVENT_BYTES {
                return Err(CliError::new(
                    Exit::Failure,
                    "cannot read an event",
                    format!("it is larger than {MAX_EVENT_BYTES} bytes"),
                    "check that program and node are of one version: entente --version",
                ));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.buffer.extend_from_slice(data);
                    }
                }
                // The node closed the stream, or was killed: either way there are no more events.
                Some(Err(_)) | None => return Ok(None),
            }
        }
    }
}

/// Cuts the first whole block, which an empty line ends, from the buffer.
fn take_block(buffer: &mut Vec<u8>) -> Option<String> {
    let end = buffer.windows(2).position(|pair| pair == b"\n\n")?;
    let block = buffer.drain(..end + 2).collect::<Vec<_>>();
    Some(String::from_utf8_lossy(&block).into_owned())
}

/// The block's data lines; `None` for comments, which keep the connection alive.
fn data_of(block: &str) -> Option<String> {
    let lines = block
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect::<Vec<_>>();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// `text` as a part of a request's path, if it is an id, a key, a name or the beginning of one.
pub fn segment(text: &str) -> Result<&str, CliError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':' | b'_');
    if !text.is_empty() && text.len() <= 128 && text.bytes().all(plain) {
        Ok(text)
    } else {
        Err(CliError::usage(
            format!("{text:?} is neither an id nor a name"),
            "ids and names consist of letters, digits, hyphens and colons",
            "entente op list",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_cut_at_empty_lines_and_comments_are_skipped() {
        let mut buffer = b": alive\n\nevent: x\ndata: {\"a\":\ndata: 1}\n\ndata: par".to_vec();
        let comment = take_block(&mut buffer).expect("a block");
        assert_eq!(data_of(&comment), None);
        let event = take_block(&mut buffer).expect("a block");
        assert_eq!(data_of(&event).as_deref(), Some("{\"a\":\n1}"));
        assert_eq!(take_block(&mut buffer), None);
        assert_eq!(buffer, b"data: par");
    }

    #[test]
    fn only_ids_and_names_go_into_a_path() {
        assert!(segment("op-abc2").is_ok());
        assert!(segment("ed25519:abc").is_ok());
        for bad in ["", "../x", "a/b", "a?b", "a b", "a%2f"] {
            assert!(segment(bad).is_err(), "{bad:?}");
        }
    }
}
