//! Errors of the local API: a status, a stable word, a reason, and the next step.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use entente_protocol::coalition::FindError;
use entente_protocol::engine::Refused;
use entente_protocol::store::Damage;

use super::dto::ErrorView;
use super::socket::BODY_TIMEOUT;
use crate::runtime::{Stopped, SubmitError};
use crate::storage::StoreError;

/// The command that shows which operations there are.
pub(super) const LIST: &str = "entente op list";

/// The command that shows which evidence there is.
pub(super) const EVIDENCE: &str = "entente evidence list";

/// The command that shows which integrity events there are.
pub(super) const INTEGRITY: &str = "entente integrity list";

/// What to do where a feed of this node is frozen.
const FROZEN: &str = "entente evidence list; then say it at another node of this partner, or in another lane: entente note --lane LANE";

/// What a handler fails with.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    view: ErrorView,
}

pub(super) type Answer<T> = Result<Json<T>, ApiError>;

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &str, error: impl ToString) -> Self {
        Self { status, view: ErrorView { code: code.into(), error: error.to_string(), next: None } }
    }

    pub(super) fn next(mut self, next: impl Into<String>) -> Self {
        self.view.next = Some(next.into());
        self
    }

    /// Of several that were submitted together some were taken all the same.
    pub(super) fn in_part(mut self, taken: usize, all: usize) -> Self {
        self.view.error = format!("{}; {taken} of {all} were taken and are held", self.view.error);
        self
    }

    pub(super) fn bad_request(error: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", error)
    }

    pub(super) fn unknown(error: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown", error)
    }

    /// What was named is known, and is something else than was asked for.
    pub(super) fn other(error: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, "other", error)
    }

    /// Whether it says that.
    pub(super) fn is_other(&self) -> bool {
        self.view.code == "other"
    }

    pub(super) fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the node stops").next("entente up")
    }

    /// The node has stopped before the record was durable.
    fn stopped(why: &Stopped) -> Self {
        let status = match why {
            Stopped::Asked => return Self::stopping(),
            Stopped::Storage(StoreError::DiskFull { .. }) => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let error = Self::new(status, why.word(), format!("the record was not made durable: {why}"));
        match why.next() {
            Some(next) => error.next(format!("{next}; then submit the record again")),
            None => error,
        }
    }

    pub(super) fn internal(error: impl ToString) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(self.view)).into_response()
    }
}

impl From<Damage> for ApiError {
    fn from(damage: Damage) -> Self {
        tracing::error!(%damage, "the store is damaged");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "corrupt", format!("the store is damaged: {damage}"))
            .next("stop the node and restore the data folder from a good copy; the other partners have lost nothing")
    }
}

impl From<FindError> for ApiError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Unknown(_) => Self::unknown(error).next(LIST),
            FindError::Ambiguous { .. } => Self::new(StatusCode::CONFLICT, "ambiguous", error).next(LIST),
            FindError::Malformed(_) | FindError::TooShort(_) => {
                Self::new(StatusCode::BAD_REQUEST, "bad_id", error).next(LIST)
            }
        }
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Refused(Refused { code, reason }) => {
                let status = match code.as_str() {
                    "denied" => StatusCode::FORBIDDEN,
                    "too_large" => StatusCode::PAYLOAD_TOO_LARGE,
                    "closed" | "frozen" => StatusCode::CONFLICT,
                    "unknown" => StatusCode::NOT_FOUND,
                    "backlog" => StatusCode::TOO_MANY_REQUESTS,
                    "malformed" => StatusCode::BAD_REQUEST,
                    _ => StatusCode::UNPROCESSABLE_ENTITY,
                };
                let frozen = code == "frozen";
                let error = Self::new(status, &code, reason);
                if frozen { error.next(FROZEN) } else { error }
            }
            SubmitError::Stopped(why) => Self::stopped(&why),
        }
    }
}

/// Query parameters; what they may not be is told like every other error.
pub(super) struct Params<T>(pub(super) T);

impl<S: Send + Sync, T: serde::de::DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => Err(ApiError::bad_request(rejection.body_text())),
        }
    }
}

/// The bytes of a request.
pub(super) struct Content(pub(super) axum::body::Bytes);

impl<S: Send + Sync> FromRequest<S> for Content {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let read = axum::body::Bytes::from_request(request, state);
        let Ok(read) = tokio::time::timeout(BODY_TIMEOUT, read).await else {
            let reason = format!("the request's body did not come within {} s", BODY_TIMEOUT.as_secs());
            return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", reason));
        };
        match read {
            Ok(bytes) => Ok(Self(bytes)),
            Err(rejection) => {
                let code = match rejection.status() {
                    StatusCode::PAYLOAD_TOO_LARGE => "too_large",
                    _ => "bad_request",
                };
                Err(ApiError::new(rejection.status(), code, rejection.body_text()))
            }
        }
    }
}

/// A request as JSON.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: serde::de::DeserializeOwned> FromRequest<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Content(bytes) = Content::from_request(request, state).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(ApiError::bad_request)
    }
}

pub(super) async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "bad_request",
        format!("{} does not take {method}", uri.path()),
    )
}

pub(super) async fn no_such_request(uri: Uri) -> ApiError {
    ApiError::unknown(format!("there is no {}", uri.path()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use entente_protocol::engine::Halt;

    use super::*;
    use crate::errors::Exit;

    #[test]
    fn who_submitted_when_the_node_failed_is_told_why_with_the_exit_code_of_that_failure() {
        let path = || "/data/store.redb".into();
        let damage = Damage { what: "entry 3".into(), why: "is cut off".into() };
        let cases = [
            (Stopped::Storage(StoreError::DiskFull { path: path() }), 507, "disk_full"),
            (Stopped::Storage(StoreError::Closed { path: path() }), 500, "storage"),
            (Stopped::Storage(StoreError::Damage { path: path(), damage }), 500, "corrupt"),
            (Stopped::Halted(Halt::Rollback { what: "entry 3".into() }), 500, "rollback"),
            (Stopped::Lost, 500, "failure"),
        ];
        for (why, status, code) in cases {
            let (text, exit) = (why.to_string(), why.exit_code());
            let error = ApiError::from(SubmitError::Stopped(Arc::new(why)));
            assert_eq!((error.status.as_u16(), error.view.code.as_str()), (status, code));
            assert_eq!(Exit::for_code(&error.view.code) as u8, exit, "{code}");
            assert!(error.view.error.contains("not made durable") && error.view.error.contains(&text));
            assert!(error.view.next.is_some());
        }
        let asked = ApiError::from(SubmitError::Stopped(Arc::new(Stopped::Asked)));
        assert_eq!(Exit::for_code(&asked.view.code), Exit::NodeDown, "stopped by order: no node is running");
    }
}
