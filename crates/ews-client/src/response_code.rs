//! Every response code of the schema (`ResponseCodeType`), and what a caller does about it.

mod names;

use std::fmt;

use crate::error::ErrorKind;

pub use names::ResponseCode;
use names::SCHEMA_CODES;

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ResponseCode {
    /// Every code of the schema, in its order (the client's own and `Other` left out).
    pub fn all() -> &'static [ResponseCode] {
        SCHEMA_CODES
    }

    /// Whether the code reports success.
    pub fn is_success(&self) -> bool {
        matches!(self, ResponseCode::NoError)
    }

    /// Whether waiting and asking again is the right answer.
    pub fn is_busy(&self) -> bool {
        self.kind() == ErrorKind::Busy
    }

    /// The error kind a caller acts on.
    pub fn kind(&self) -> ErrorKind {
        use ResponseCode as C;
        match self {
            C::ErrorServerBusy
            | C::ErrorExceededConnectionCount
            | C::ErrorExceededSubscriptionCount
            | C::ErrorTooManyObjectsOpened
            | C::ErrorInternalServerTransientError
            | C::ErrorMailboxStoreUnavailable
            | C::ErrorMailboxMoveInProgress
            | C::ErrorADUnavailable
            | C::ErrorConnectionFailed
            | C::ErrorNotEnoughMemory
            | C::ErrorInsufficientResources => ErrorKind::Busy,
            C::ErrorTimeoutExpired => ErrorKind::Timeout,
            C::ErrorBatchProcessingStopped | C::NotAnswered => ErrorKind::Interrupted,
            C::ErrorPasswordExpired
            | C::ErrorPasswordChangeRequired
            | C::ErrorProxyTokenExpired
            | C::ErrorTokenSerializationDenied => ErrorKind::Auth,
            C::ErrorAccessDenied
            | C::ErrorAccountDisabled
            | C::ErrorImpersonateUserDenied
            | C::ErrorImpersonationDenied
            | C::ErrorImpersonationFailed
            | C::ErrorInvalidExchangeImpersonationHeaderData
            | C::ErrorCreateItemAccessDenied
            | C::ErrorAccessModeSpecified
            | C::ErrorProxyRequestNotAllowed
            | C::ErrorCrossMailboxMoveCopy => ErrorKind::Denied,
            C::ErrorNonExistentMailbox
            | C::ErrorNonPrimarySmtpAddress
            | C::ErrorNoRespondingCASInDestinationSite
            | C::ErrorMailboxConfiguration
            | C::ErrorMissingEmailAddress
            | C::ErrorItemNotFound
            | C::ErrorFolderNotFound
            | C::ErrorParentFolderNotFound
            | C::ErrorParentFolderIdRequired
            | C::ErrorSyncFolderNotFound
            | C::ErrorToFolderNotFound
            | C::ErrorPublicFolderMailboxDiscoveryFailed
            | C::ErrorNameResolutionNoResults
            | C::ErrorNameResolutionNoMailbox => ErrorKind::NotFound,
            C::ErrorInvalidOperation
            | C::ErrorUnsupportedPathForQuery
            | C::ErrorUnsupportedMimeConversion
            | C::ErrorUnsupportedTypeForConversion
            | C::ErrorInvalidServerVersion
            | C::ErrorIncorrectSchemaVersion => ErrorKind::Unsupported,
            C::TruncatedData | C::CorruptData => ErrorKind::Protocol,
            C::Other(_)
            | C::ErrorInternalServerError
            | C::ErrorContentConversionFailed
            | C::ErrorCorruptData
            | C::ErrorMessageSizeExceeded => ErrorKind::Protocol,
            _ => ErrorKind::Invalid,
        }
    }
}
