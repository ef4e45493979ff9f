//! Errors of the local API: a status, a stable word, a reason, and the next step.

use axum::Json;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use entente_protocol::coalition::FindError;
use entente_protocol::engine::Refused;
use entente_protocol::store::Damage;

use super::dto::ErrorView;
use crate::runtime::SubmitError;

/// What a handler fails with.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    view: ErrorView,
}

pub(super) type Answer<T> = Result<Json<T>, ApiError>;

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &str, error: impl ToString) -> Self {
        Self {
            status,
            view: ErrorView {
                code: code.into(),
                error: error.to_string(),
                next: None,
            },
        }
    }

    pub(super) fn next(mut self, next: impl Into<String>) -> Self {
        self.view.next = Some(next.into());
        self
    }

    pub(super) fn bad_request(error: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", error)
    }

    pub(super) fn unknown(error: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown", error)
    }

    pub(super) fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the node stops").next("entente up")
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
            FindError::Unknown(_) => Self::unknown(error).next("entente op list"),
            FindError::Ambiguous { .. } => {
                Self::new(StatusCode::CONFLICT, "ambiguous", error).next("give more characters")
            }
            FindError::Malformed(_) | FindError::TooShort(_) => Self::bad_request(error),
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
                    "closed" => StatusCode::CONFLICT,
                    "unknown" => StatusCode::NOT_FOUND,
                    "backlog" => StatusCode::TOO_MANY_REQUESTS,
                    "malformed" => StatusCode::BAD_REQUEST,
                    _ => StatusCode::UNPROCESSABLE_ENTITY,
                };
                Self::new(status, &code, reason)
            }
            SubmitError::Stopping => Self::stopping(),
        }
    }
}

pub(super) async fn no_such_request(uri: Uri) -> ApiError {
    ApiError::unknown(format!("there is no {}", uri.path()))
}
