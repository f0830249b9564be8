//! Operations that the schema has and this server does not offer: what belongs to unified messaging,
//! to apps, to instant messaging lists, to discovery and to parts that only the cloud has.

use super::Reply;
use crate::soap::{self, Fault};

/// The operations of the WSDL that are refused by name. All others are not in the schema.
const KNOWN: &[&str] = &[
    "AddDistributionGroupToImList",
    "AddImContactToGroup",
    "AddImGroup",
    "AddNewImContactToGroup",
    "AddNewTelUriContactToGroup",
    "AddTag",
    "CreateMeetingInstance",
    "CreateMeetingSpace",
    "DeleteMeetingInstance",
    "DeleteMeetingSpace",
    "DeleteSearchSuggestion",
    "DisableApp",
    "DisconnectPhoneCall",
    "EndSearchSession",
    "ExecuteSearch",
    "FindAvailableMeetingTimes",
    "FindMeetingSpaceByJoinUrl",
    "FindMeetingTimeCandidates",
    "FindMessageTrackingReport",
    "FindTags",
    "GetAppManifests",
    "GetAppMarketplaceUrl",
    "GetClientAccessToken",
    "GetDiscoverySearchConfiguration",
    "GetHoldOnMailboxes",
    "GetImItemList",
    "GetImItems",
    "GetLastPrivateCatalogUpdate",
    "GetMeetingInstance",
    "GetMeetingSpace",
    "GetMessageTrackingReport",
    "GetNonIndexableItemDetails",
    "GetNonIndexableItemStatistics",
    "GetPhoneCallInformation",
    "GetPrivateCatalogAddIns",
    "GetSearchSuggestions",
    "GetSharingFolder",
    "GetSharingMetadata",
    "GetSpecificUserConfiguration",
    "HideTag",
    "InstallApp",
    "PlayOnPhone",
    "RefreshSharingFolder",
    "RemoveContactFromImList",
    "RemoveDistributionGroupFromImList",
    "RemoveImContactFromGroup",
    "RemoveImGroup",
    "ReportMessage",
    "SearchMailboxes",
    "SetHoldOnMailboxes",
    "SetImGroup",
    "SetImListMigrationCompleted",
    "SetTeamMailbox",
    "SetUserPhoto",
    "StartSearchSession",
    "UninstallApp",
    "UnpinTeamMailbox",
    "UpdateItemInRecoverableItems",
    "UpdateMeetingInstance",
    "UpdateMeetingSpace",
];

/// Refuses an operation.
pub(super) fn answer(name: &str) -> Result<Reply, Fault> {
    Err(match KNOWN.contains(&name) {
        true => Fault::new(
            "ErrorInvalidOperation",
            format!("The operation {name} is not available in this organisation."),
        ),
        false => Fault::schema(format!(
            "The element '{name}' in namespace '{}' has no handler: unknown operation.",
            soap::NS_MESSAGES
        )),
    })
}
