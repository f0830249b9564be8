"""What belongs to a mailbox beside its items, and what is asked of the directory and of the server, as
zeep reads and writes it."""

from datetime import datetime, timezone

import exchangelib_mail as mail
from judging import expect
from zeep_items import ALL, ID_ONLY, folder, target
from zeep_service import each, one, only, said

CHECKS = []
ALICE = {"EmailAddress": mail.ALICE}
BOB = {"EmailAddress": mail.BOB}
CONFIGURATION = {"Name": "Judge", **dict([folder("inbox")])}
NO_DAYLIGHT = {"Bias": 0, "Time": "02:00:00", "DayOrder": 1, "Month": 1, "DayOfWeek": "Sunday"}


def check(function):
    CHECKS.append(function)
    return function


def delegates(answer):
    """The users of an answer about delegates, each of which succeeded."""
    found = said(answer).ResponseMessages.DelegateUserResponseMessageType
    expect([one.ResponseCode for one in found], ["NoError"] * len(found), "codes")
    return [one.DelegateUser for one in found]


def permitted(level):
    permissions = {"CalendarFolderPermissionLevel": level}
    user = {"UserId": {"PrimarySmtpAddress": mail.BOB}, "DelegatePermissions": permissions}
    return {"Mailbox": ALICE, "DelegateUsers": {"DelegateUser": [user]}}


@check
def a_delegate_is_added_changed_told_and_removed(world):
    added = delegates(world.alice.call("AddDelegate", **permitted("Reviewer")))
    expect(added[0].UserId.PrimarySmtpAddress, mail.BOB, "delegate")
    delegates(world.alice.call("UpdateDelegate", **permitted("Editor")))
    told = delegates(world.alice.call("GetDelegate", Mailbox=ALICE, IncludePermissions=True))
    level = told[0].DelegatePermissions.CalendarFolderPermissionLevel
    expect(level, "Editor", "level")
    users = {"UserId": [{"PrimarySmtpAddress": mail.BOB}]}
    delegates(world.alice.call("RemoveDelegate", Mailbox=ALICE, UserIds=users))
    none = world.alice.call("GetDelegate", Mailbox=ALICE, IncludePermissions=False)
    expect(said(none).ResponseMessages, None, "delegates")


def dictionary(value):
    text = {"Type": "String", "Value": ["key"]}
    number = {"Type": "Integer32", "Value": [value]}
    return {"DictionaryEntry": [{"DictionaryKey": text, "DictionaryValue": number}]}


@check
def a_user_configuration_is_kept(world):
    whole = {"UserConfigurationName": CONFIGURATION, "Dictionary": dictionary("1")}
    one(world.alice.call("CreateUserConfiguration", UserConfiguration=whole))
    changed = {**whole, "Dictionary": dictionary("2"), "XmlData": b"<x/>"}
    one(world.alice.call("UpdateUserConfiguration", UserConfiguration=changed))
    answer = world.alice.ask(
        "GetUserConfiguration",
        '<GetUserConfiguration><UserConfigurationName Name="Judge">'
        '<t:DistinguishedFolderId Id="inbox"/></UserConfigurationName>'
        "<UserConfigurationProperties>All</UserConfigurationProperties></GetUserConfiguration>",
    )
    found = one(answer).UserConfiguration
    entry = found.Dictionary.DictionaryEntry[0]
    expect((entry.DictionaryKey.Value, entry.DictionaryValue.Value), (["key"], ["2"]), "entry")
    expect(found.XmlData, b"<x/>", "XML data")
    one(world.alice.call("DeleteUserConfiguration", UserConfigurationName=CONFIGURATION))


@check
def a_rule_is_made_listed_and_deleted(world):
    rule = {
        "DisplayName": "Aside",
        "Priority": 1,
        "IsEnabled": True,
        "Conditions": {"ContainsSubjectStrings": {"String": ["report"]}},
        "Actions": {"MarkAsRead": True, "MoveToFolder": target("notes")},
    }
    made = world.alice.call(
        "UpdateInboxRules",
        RemoveOutlookRuleBlob=True,
        Operations=each(("CreateRuleOperation", {"Rule": rule})),
    )
    said(made)
    listed = said(world.alice.call("GetInboxRules")).InboxRules.Rule
    expect([rule.DisplayName for rule in listed], ["Aside"], "rules")
    expect(listed[0].Conditions.ContainsSubjectStrings.String, ["report"], "condition")
    deletion = each(("DeleteRuleOperation", {"RuleId": listed[0].RuleId}))
    said(world.alice.call("UpdateInboxRules", RemoveOutlookRuleBlob=True, Operations=deletion))


OUT_OF_OFFICE = (
    f"<SetUserOofSettingsRequest><t:Mailbox><t:Address>{mail.ALICE}</t:Address></t:Mailbox>"
    "<t:UserOofSettings><t:OofState>Scheduled</t:OofState><t:ExternalAudience>All</t:ExternalAudience>"
    "<t:Duration><t:StartTime>2026-04-01T00:00:00Z</t:StartTime>"
    "<t:EndTime>2026-04-09T00:00:00Z</t:EndTime></t:Duration>"
    "<t:InternalReply><t:Message>away</t:Message></t:InternalReply>"
    "<t:ExternalReply><t:Message>gone</t:Message></t:ExternalReply></t:UserOofSettings>"
    "</SetUserOofSettingsRequest>"
)


@check
def out_of_office_settings_come_back(world):
    said(world.alice.ask("SetUserOofSettings", OUT_OF_OFFICE).ResponseMessage)
    answer = world.alice.ask(
        "GetUserOofSettings",
        f"<GetUserOofSettingsRequest><t:Mailbox><t:Address>{mail.ALICE}</t:Address></t:Mailbox>"
        "</GetUserOofSettingsRequest>",
    )
    said(answer.ResponseMessage)
    settings = answer.OofSettings
    expect((settings.OofState, settings.InternalReply.Message), ("Scheduled", "away"), "settings")


@check
def free_and_busy_times_are_told(world):
    window = {
        "StartTime": datetime(2026, 3, 10),
        "EndTime": datetime(2026, 3, 11),
    }
    answer = world.alice.call(
        "GetUserAvailability",
        TimeZone={"Bias": 0, "StandardTime": {"Bias": 0, **NO_DAYLIGHT}, "DaylightTime": NO_DAYLIGHT},
        MailboxDataArray={
            "MailboxData": [{"Email": {"Address": mail.ALICE}, "AttendeeType": "Required"}]
        },
        FreeBusyViewOptions={
            "TimeWindow": window,
            "MergedFreeBusyIntervalInMinutes": 60,
            "RequestedView": ["DetailedMerged"],
        },
    )
    told = answer.FreeBusyResponseArray.FreeBusyResponse[0]
    said(told.ResponseMessage)
    expect(told.FreeBusyView.MergedFreeBusy[9], "2", "the hour of the appointment")
    events = told.FreeBusyView.CalendarEventArray.CalendarEvent
    expect([event.BusyType for event in events], ["Busy"], "events")


@check
def names_are_resolved(world):
    answer = world.alice.call(
        "ResolveNames",
        UnresolvedEntry="bob",
        ReturnFullContactData=True,
        ContactDataShape="AllProperties",
    )
    found = one(answer).ResolutionSet
    expect([one.Mailbox.EmailAddress for one in found.Resolution], [mail.BOB], "addresses")
    nobody = world.alice.call("ResolveNames", UnresolvedEntry="nobody", ReturnFullContactData=False)
    one(nobody, "ErrorNameResolutionNoResults")


@check
def a_list_that_is_not_there_is_not_expanded(world):
    nobody = {"EmailAddress": "nobody@example.test"}
    one(world.alice.call("ExpandDL", Mailbox=nobody), "ErrorNameResolutionNoResults")


@check
def conversations_are_found_read_and_changed(world):
    answer = world.alice.call(
        "FindConversation",
        IndexedPageItemView={"MaxEntriesReturned": 5, "Offset": 0, "BasePoint": "Beginning"},
        ParentFolderId=target("inbox"),
    )
    first = said(answer).Conversations._value_1[0]["Conversation"]
    items = world.alice.call(
        "GetConversationItems",
        ItemShape=ALL,
        Conversations=each(("Conversation", {"ConversationId": {"Id": first.ConversationId.Id}})),
    )
    nodes = one(items).Conversation.ConversationNodes._value_1
    expect(len(nodes), first.GlobalMessageCount, "items")
    action = {
        "Action": "SetReadState",
        "ConversationId": {"Id": first.ConversationId.Id},
        "IsRead": True,
    }
    actions = {"ConversationAction": [action]}
    one(world.alice.call("ApplyConversationAction", ConversationActions=actions))


@check
def people_are_found(world):
    answer = world.alice.call(
        "FindPeople",
        PersonaShape=ALL,
        IndexedPageItemView={"MaxEntriesReturned": 10, "Offset": 0, "BasePoint": "Beginning"},
        ParentFolderId=target("directory"),
        QueryString="bob",
    )
    persona = said(answer).People._value_1[0]["Persona"]
    expect(persona.EmailAddress.EmailAddress, mail.BOB, "address")
    told = said(world.alice.call("GetPersona", PersonaId={"Id": persona.PersonaId.Id})).Persona
    expect(told.DisplayName, persona.DisplayName, "name")


@check
def the_services_configuration_is_told(world):
    answer = world.alice.ask(
        "GetServiceConfiguration",
        "<GetServiceConfiguration><RequestedConfiguration>"
        "<ConfigurationName>MailTips</ConfigurationName>"
        "<ConfigurationName>UnifiedMessagingConfiguration</ConfigurationName>"
        "<ConfigurationName>ProtectionRules</ConfigurationName></RequestedConfiguration>"
        "</GetServiceConfiguration>",
    )
    found = said(answer).ResponseMessages.ServiceConfigurationResponseMessageType
    expect([one.ResponseCode for one in found], ["NoError"] * 3, "codes")
    expect(found[0].MailTipsConfiguration.MailTipsEnabled, True, "mail tips")


@check
def mail_tips_are_given(world):
    answer = world.alice.ask(
        "GetMailTips",
        f"<GetMailTips><SendingAs><t:EmailAddress>{mail.ALICE}</t:EmailAddress></SendingAs>"
        f"<Recipients><t:Mailbox><t:EmailAddress>{mail.BOB}</t:EmailAddress></t:Mailbox></Recipients>"
        "<MailTipsRequested>All</MailTipsRequested></GetMailTips>",
    )
    found = said(answer).ResponseMessages.MailTipsResponseMessageType
    expect(found[0].MailTips.RecipientAddress.EmailAddress, mail.BOB, "recipient")


@check
def there_are_no_rooms(world):
    expect(said(world.alice.call("GetRoomLists")).RoomLists, None, "lists")
    answer = world.alice.call("GetRooms", RoomList=BOB)
    expect(answer.ResponseClass, "Error", "class")


@check
def nobody_has_a_photo(world):
    answer = world.alice.call("GetUserPhoto", Email=mail.BOB, SizeRequested="HR96x96")
    said(answer, "ErrorItemNotFound")


@check
def passwords_expire(world):
    answer = world.alice.call("GetPasswordExpirationDate", MailboxSmtpAddress=mail.ALICE)
    expect(said(answer).PasswordExpirationDate.year, 2026, "year")


@check
def time_zones_are_named(world):
    answer = world.alice.call("GetServerTimeZones", ReturnFullTimeZoneData=False)
    found = one(answer).TimeZoneDefinitions._value_1
    ids = {choice["TimeZoneDefinition"].Id for choice in found}
    expect("W. Europe Standard Time" in ids, True, "there is the zone")


@check
def a_time_zones_rules_are_told(world):
    # zeep does not know elements that take another's place, which the transitions do.
    with world.alice.client.settings(strict=False):
        answer = world.alice.call(
            "GetServerTimeZones",
            ReturnFullTimeZoneData=True,
            Ids={"Id": ["W. Europe Standard Time"]},
        )
    zone = only(one(answer).TimeZoneDefinitions, "TimeZoneDefinition")
    periods = zone.Periods.Period
    ids = [period.Id.rsplit("/", 1)[1] for period in periods]
    expect(ids, ["1-Standard", "1-Daylight"], "periods")


@check
def nobody_has_retention_tags(world):
    expect(said(world.alice.call("GetUserRetentionPolicyTags")).RetentionPolicyTags, None, "tags")


@check
def only_who_may_search_sees_mailboxes(world):
    refused = world.alice.call("GetSearchableMailboxes", ExpandGroupMembership=False)
    said(refused, "ErrorAccessDenied")
    answer = world.service.call("GetSearchableMailboxes", SearchFilter="bob")
    found = said(answer).SearchableMailboxes.SearchableMailbox
    expect([one.PrimarySmtpAddress for one in found], [mail.BOB], "mailboxes")


@check
def a_shape_of_ids_has_nothing_else(world):
    answer = world.alice.call("GetFolder", FolderShape=ID_ONLY, FolderIds=each(folder("inbox")))
    inbox = one(answer).Folders._value_1[0]["Folder"]
    expect((inbox.DisplayName, inbox.TotalCount), (None, None), "other fields")
