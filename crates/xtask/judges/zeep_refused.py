"""Operations that a server without telephones, apps, instant messages and discovery refuses, with
plausible arguments."""

from datetime import datetime, timedelta, timezone

from zeep_service import each

GUID = "0b3f1c9e-6f0a-4b43-9d5f-0a4b1b4b8f11"
GROUP = {"GroupId": {"Id": "AAMk"}}
CONTACT = {"ContactId": {"Id": "AAMk"}}
ITEM = {"ItemId": {"Id": "AAMk"}}
LEGACY = "/o=First Organization/ou=Exchange Administrative Group/cn=Recipients/cn=alice"
TEAM = {"EmailAddress": {"EmailAddress": "team@example.test"}}
INBOX = ("DistinguishedFolderId", {"Id": "inbox"})
TELEPHONE = {
    "TelUriAddress": "tel:+41440000000",
    "ImContactSipUriAddress": "sip:carol@example.test",
    "ImTelephoneNumber": "+41440000000",
}
TRACKED = {"Scope": "Forest", "ReportTemplate": "Summary", "MessageTrackingReportId": "Message-Id=1"}
QUERY = {
    "Query": "subject:report",
    "MailboxSearchScopes": {
        "MailboxSearchScope": [{"Mailbox": LEGACY, "SearchScope": "PrimaryOnly"}]
    },
}
WINDOW = {
    "SearchWindowStart": datetime(2026, 3, 10, 8, tzinfo=timezone.utc),
    "SearchWindowDuration": timedelta(hours=8),
}
FIRST_PAGE = {
    "IndexedPageItemView": {"MaxEntriesReturned": 10, "Offset": 0, "BasePoint": "Beginning"}
}

CALLS = {
    "AddDistributionGroupToImList": {"SmtpAddress": "all@example.test", "DisplayName": "All"},
    "AddImContactToGroup": CONTACT,
    "AddImGroup": {"DisplayName": "Friends"},
    "AddNewImContactToGroup": {"ImAddress": "carol@example.test"},
    "AddNewTelUriContactToGroup": TELEPHONE,
    "AddTag": {"Tag": "urgent", "AppName": "Mail"},
    "CreateMeetingInstance": {"MeetingInstance": {}},
    "CreateMeetingSpace": {"MeetingSpace": {}},
    "DeleteMeetingInstance": ITEM,
    "DeleteMeetingSpace": ITEM,
    "DisconnectPhoneCall": {"PhoneCallId": {"Id": "1"}},
    "EndSearchSession": {"SearchSessionId": GUID},
    "FindAvailableMeetingTimes": WINDOW,
    "FindMeetingSpaceByJoinUrl": {"JoinUrl": "https://meet.example.test/1"},
    "FindMessageTrackingReport": {"Scope": "Forest", "Domain": "example.test"},
    "FindTags": FIRST_PAGE,
    "GetAppManifests": {},
    "GetAppMarketplaceUrl": {},
    "GetClientAccessToken": {
        "TokenRequests": {"TokenRequest": [{"Id": GUID, "TokenType": "CallerIdentity"}]}
    },
    "GetDiscoverySearchConfiguration": {},
    "GetHoldOnMailboxes": {"HoldId": GUID},
    "GetImItemList": {},
    "GetImItems": {},
    "GetLastPrivateCatalogUpdate": {},
    "GetMeetingInstance": ITEM,
    "GetMeetingSpace": ITEM,
    "GetMessageTrackingReport": TRACKED,
    "GetNonIndexableItemDetails": {"Mailboxes": {"LegacyDN": [LEGACY]}},
    "GetNonIndexableItemStatistics": {"Mailboxes": {"LegacyDN": [LEGACY]}},
    "GetPhoneCallInformation": {"PhoneCallId": {"Id": "1"}},
    "GetPrivateCatalogAddIns": {},
    "GetSearchSuggestions": {"SearchSessionId": GUID},
    "GetSharingFolder": {"SmtpAddress": "bob@example.test"},
    "HideTag": {"Tag": "urgent"},
    "PlayOnPhone": {**ITEM, "DialString": "4711"},
    "RefreshSharingFolder": {"SharingFolderId": {"Id": "AAMk"}},
    "RemoveContactFromImList": CONTACT,
    "RemoveDistributionGroupFromImList": GROUP,
    "RemoveImContactFromGroup": {**CONTACT, **GROUP},
    "RemoveImGroup": GROUP,
    "ReportMessage": {"ReportAction": "Junk", "ItemIds": each(("ItemId", {"Id": "AAMk"}))},
    "SearchMailboxes": {"SearchQueries": {"MailboxQuery": [QUERY]}, "ResultType": "StatisticsOnly"},
    "SetHoldOnMailboxes": {"ActionType": "Create", "HoldId": GUID, "Query": "subject:report"},
    "SetImGroup": {**GROUP, "NewDisplayName": "Foes"},
    "SetImListMigrationCompleted": {"ImListMigrationCompleted": True},
    "SetTeamMailbox": {**TEAM, "SharePointSiteUrl": "https://example.test/team", "State": "Active"},
    "SetUserPhoto": {"Email": "alice@example.test", "Content": "iVBORw=="},
    "UnpinTeamMailbox": TEAM,
    "UpdateItemInRecoverableItems": ITEM,
    "UpdateMeetingInstance": ITEM,
    "UpdateMeetingSpace": {**ITEM, "MeetingSpace": {}},
}

# What zeep cannot write from the description: lists of words, and bodies whose parts it says wrongly.
WRITTEN = {
    "DeleteSearchSuggestion": f"<DeleteSearchSuggestion><SearchSessionId>{GUID}</SearchSessionId>"
    "<Query>report</Query><SuggestionTypes>Keywords</SuggestionTypes></DeleteSearchSuggestion>",
    "DisableApp": f"<DisableApp><ID>{GUID}</ID><DisableReason>NoReason</DisableReason></DisableApp>",
    "InstallApp": "<InstallApp><Manifest>PGEvPg==</Manifest></InstallApp>",
    "UninstallApp": f"<UninstallApp><ID>{GUID}</ID></UninstallApp>",
    "GetSharingMetadata": '<GetSharingMetadata><IdOfFolderToShare Id="AAMk"/>'
    "<SenderSmtpAddress>alice@example.test</SenderSmtpAddress><Recipients>"
    "<t:SmtpAddress>bob@example.test</t:SmtpAddress></Recipients></GetSharingMetadata>",
    "GetSpecificUserConfiguration": "<GetSpecificUserConfiguration>"
    '<UserConfigurationName Name="Judge"><t:DistinguishedFolderId Id="inbox"/>'
    "</UserConfigurationName><UserConfigurationProperties>All</UserConfigurationProperties>"
    "</GetSpecificUserConfiguration>",
    "ExecuteSearch": "<ExecuteSearch><ApplicationId>Outlook</ApplicationId><Scenario>mail</Scenario>"
    f"<SearchSessionId>{GUID}</SearchSessionId><SearchScope/><Query>report</Query>"
    "<ItemTypes>MailItems</ItemTypes></ExecuteSearch>",
    "StartSearchSession": f"<StartSearchSession><SearchSessionId>{GUID}</SearchSessionId>"
    "<WarmupOptions>None</WarmupOptions><SuggestionTypes>Keywords</SuggestionTypes><SearchScope/>"
    "</StartSearchSession>",
    "FindMeetingTimeCandidates": "<FindMeetingTimeCandidates/>",
}
