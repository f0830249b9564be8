//! Series and their occurrences, time zones, free and busy times.

use ews_sim::{MailboxHandle, Sim};

use crate::support::{ALICE, Bench, attrs, between};

const BOB: &str = "bob@example.com";

async fn bench() -> (Bench, MailboxHandle) {
    let sim = Sim::builder()
        .mailbox(ALICE)
        .mailbox(BOB)
        .group("rooms@example.com", [BOB, "hall@elsewhere.test"]);
    let sim = sim.build().unwrap();
    let alice = sim.mailbox(ALICE).unwrap();
    (Bench::start(sim).await, alice)
}

/// Creates a meeting of half an hour in Berlin's time, with a rule if there is one.
async fn create(bench: &Bench, start: &str, end: &str, recurrence: &str) -> String {
    let request = format!(
        "<m:CreateItem SendMeetingInvitations=\"SendToNone\"><m:Items><t:CalendarItem>\
         <t:Subject>stand-up</t:Subject><t:Start>{start}</t:Start><t:End>{end}</t:End>\
         <t:LegacyFreeBusyStatus>Busy</t:LegacyFreeBusyStatus><t:Location>hall</t:Location>\
         {recurrence}<t:StartTimeZone Id=\"W. Europe Standard Time\"/></t:CalendarItem></m:Items>\
         </m:CreateItem>"
    );
    let answer = bench.ask(ALICE, &request).await;
    attrs(&answer, "t:ItemId", "Id").remove(0)
}

fn weekly(end: &str) -> String {
    format!(
        "<t:Recurrence><t:WeeklyRecurrence><t:Interval>1</t:Interval>\
         <t:DaysOfWeek>Monday Wednesday</t:DaysOfWeek></t:WeeklyRecurrence>{end}</t:Recurrence>"
    )
}

const TEN: &str = "<t:NumberedRecurrence><t:StartDate>2026-03-16</t:StartDate>\
    <t:NumberOfOccurrences>10</t:NumberOfOccurrences></t:NumberedRecurrence>";

fn view(from: &str, until: &str) -> String {
    format!(
        "<m:FindItem Traversal=\"Shallow\"><m:ItemShape><t:BaseShape>AllProperties</t:BaseShape>\
         </m:ItemShape><m:CalendarView StartDate=\"{from}\" EndDate=\"{until}\"/><m:ParentFolderIds>\
         <t:DistinguishedFolderId Id=\"calendar\"/></m:ParentFolderIds></m:FindItem>"
    )
}

fn get(id: &str) -> String {
    format!(
        "<m:GetItem><m:ItemShape><t:BaseShape>AllProperties</t:BaseShape></m:ItemShape>\
         <m:ItemIds>{id}</m:ItemIds></m:GetItem>"
    )
}

fn item(id: &str) -> String {
    format!("<t:ItemId Id=\"{id}\"/>")
}

/// The texts of an element, in order.
fn texts<'t>(answer: &'t str, element: &str) -> Vec<&'t str> {
    let begin = format!("<t:{element}>");
    answer
        .split(&begin)
        .skip(1)
        .map(|part| part.split('<').next().unwrap())
        .collect()
}

#[tokio::test]
async fn a_series_is_told_as_its_rule_and_shown_as_its_occurrences() {
    let (bench, _) = bench().await;
    let id = create(
        &bench,
        "2026-03-16T08:00:00Z",
        "2026-03-16T08:30:00Z",
        &weekly(TEN),
    )
    .await;
    let master = bench.ask(ALICE, &get(&item(&id))).await;
    for part in [
        "<t:CalendarItemType>RecurringMaster<",
        "<t:IsRecurring>false<",
        "<t:DaysOfWeek>Monday Wednesday<",
        "<t:NumberOfOccurrences>10<",
        "<t:StartDate>2026-03-16<",
        "<t:StartTimeZone Id=\"W. Europe Standard Time\"",
    ] {
        assert!(master.contains(part), "{part} in {master}");
    }
    let last = between(&master, "<t:LastOccurrence>", "</t:LastOccurrence>");
    assert!(last.contains("<t:Start>2026-04-15T07:00:00Z<"), "{last}");
    // The clocks change on 29 March: nine o'clock stays nine o'clock.
    let found = bench
        .ask(ALICE, &view("2026-03-23T00:00:00Z", "2026-04-02T00:00:00Z"))
        .await;
    assert_eq!(
        texts(&found, "Start"),
        [
            "2026-03-23T08:00:00Z",
            "2026-03-25T08:00:00Z",
            "2026-03-30T07:00:00Z",
            "2026-04-01T07:00:00Z"
        ]
    );
    assert_eq!(texts(&found, "CalendarItemType"), ["Occurrence"; 4]);
    let ids = attrs(&found, "t:ItemId", "Id");
    assert!(ids.iter().all(|one| *one != id) && ids[0] != ids[1]);
    let one = bench.ask(ALICE, &get(&item(&ids[1]))).await;
    assert_eq!(texts(&one, "Start"), ["2026-03-25T08:00:00Z"]);
    let third = format!("<t:OccurrenceItemId RecurringMasterId=\"{id}\" InstanceIndex=\"3\"/>");
    let third = bench.ask(ALICE, &get(&third)).await;
    assert_eq!(texts(&third, "Start"), ["2026-03-23T08:00:00Z"]);
    let far = format!("<t:OccurrenceItemId RecurringMasterId=\"{id}\" InstanceIndex=\"11\"/>");
    let far = bench.ask(ALICE, &get(&far)).await;
    assert!(
        far.contains("ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange"),
        "{far}"
    );
    let back = format!("<t:RecurringMasterItemId OccurrenceId=\"{}\"/>", ids[2]);
    let back = bench.ask(ALICE, &get(&back)).await;
    assert_eq!(attrs(&back, "t:ItemId", "Id")[0], id);
}

#[tokio::test]
async fn occurrences_are_changed_and_deleted_alone() {
    let (bench, alice) = bench().await;
    let id = create(
        &bench,
        "2026-03-16T08:00:00Z",
        "2026-03-16T08:30:00Z",
        &weekly(TEN),
    )
    .await;
    let week = view("2026-03-23T00:00:00Z", "2026-03-29T00:00:00Z");
    let ids = attrs(&bench.ask(ALICE, &week).await, "t:ItemId", "Id");
    let field = |uri: &str, value: &str| {
        format!(
            "<t:SetItemField><t:FieldURI FieldURI=\"{uri}\"/><t:CalendarItem>{value}</t:CalendarItem>\
             </t:SetItemField>"
        )
    };
    let update = format!(
        "<m:UpdateItem ConflictResolution=\"AlwaysOverwrite\" SendMeetingInvitationsOrCancellations=\"SendToNone\">\
         <m:ItemChanges><t:ItemChange>{}<t:Updates>{}{}{}</t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>",
        item(&ids[0]),
        field("item:Subject", "<t:Subject>moved</t:Subject>"),
        field("calendar:Start", "<t:Start>2026-03-24T12:00:00Z</t:Start>"),
        field("calendar:End", "<t:End>2026-03-24T13:00:00Z</t:End>"),
    );
    let updated = bench.ask(ALICE, &update).await;
    assert_eq!(attrs(&updated, "t:ItemId", "Id")[0], ids[0]);
    let delete = format!(
        "<m:DeleteItem DeleteType=\"HardDelete\" SendMeetingCancellations=\"SendToNone\"><m:ItemIds>{}\
         </m:ItemIds></m:DeleteItem>",
        item(&ids[1])
    );
    bench.ask(ALICE, &delete).await;
    let found = bench.ask(ALICE, &week).await;
    assert_eq!(texts(&found, "Start"), ["2026-03-24T12:00:00Z"]);
    assert_eq!(texts(&found, "Subject"), ["moved"]);
    assert_eq!(texts(&found, "CalendarItemType"), ["Exception"]);
    assert_eq!(texts(&found, "OriginalStart"), ["2026-03-23T08:00:00Z"]);
    let gone = bench.ask(ALICE, &get(&item(&ids[1]))).await;
    assert!(
        gone.contains("ErrorCalendarOccurrenceIsDeletedFromRecurrence"),
        "{gone}"
    );
    let master = bench.ask(ALICE, &get(&item(&id))).await;
    let changed = between(
        &master,
        "<t:ModifiedOccurrences>",
        "</t:ModifiedOccurrences>",
    );
    assert_eq!(texts(changed, "Start"), ["2026-03-24T12:00:00Z"]);
    let deleted = between(&master, "<t:DeletedOccurrences>", "</t:DeletedOccurrences>");
    assert_eq!(texts(deleted, "Start"), ["2026-03-25T08:00:00Z"]);
    assert_eq!(alice.item_count("Calendar").unwrap(), 1);
    // What was changed travels in the native stream.
    let copy = alice.message(&id).unwrap();
    let bob = bench.sim.mailbox(BOB).unwrap();
    bob.add_message("Calendar", copy).unwrap();
    let bobs = bench.ask(BOB, &week).await;
    assert_eq!(texts(&bobs, "Start"), ["2026-03-24T12:00:00Z"]);
}

#[tokio::test]
async fn every_kind_of_rule_comes_back_as_it_was() {
    let (bench, _) = bench().await;
    let until = "<t:EndDateRecurrence><t:StartDate>2026-03-16</t:StartDate>\
        <t:EndDate>2027-12-31</t:EndDate></t:EndDateRecurrence>";
    let never = "<t:NoEndRecurrence><t:StartDate>2026-03-16</t:StartDate></t:NoEndRecurrence>";
    for (rule, end, first) in [
        (
            "<t:DailyRecurrence><t:Interval>3</t:Interval></t:DailyRecurrence>",
            until,
            "2026-03-16",
        ),
        (
            "<t:AbsoluteMonthlyRecurrence><t:Interval>2</t:Interval><t:DayOfMonth>20</t:DayOfMonth>\
             </t:AbsoluteMonthlyRecurrence>",
            never,
            "2026-03-20",
        ),
        (
            "<t:RelativeMonthlyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Friday</t:DaysOfWeek>\
             <t:DayOfWeekIndex>Last</t:DayOfWeekIndex></t:RelativeMonthlyRecurrence>",
            TEN,
            "2026-03-27",
        ),
        (
            "<t:AbsoluteYearlyRecurrence><t:DayOfMonth>1</t:DayOfMonth><t:Month>May</t:Month>\
             </t:AbsoluteYearlyRecurrence>",
            never,
            "2026-05-01",
        ),
        (
            "<t:RelativeYearlyRecurrence><t:DaysOfWeek>Weekday</t:DaysOfWeek>\
             <t:DayOfWeekIndex>First</t:DayOfWeekIndex><t:Month>January</t:Month></t:RelativeYearlyRecurrence>",
            never,
            "2027-01-01",
        ),
    ] {
        let recurrence = format!("<t:Recurrence>{rule}{end}</t:Recurrence>");
        let id = create(
            &bench,
            "2026-03-16T08:00:00Z",
            "2026-03-16T08:30:00Z",
            &recurrence,
        )
        .await;
        let master = bench.ask(ALICE, &get(&item(&id))).await;
        let told = between(&master, "<t:Recurrence>", "</t:Recurrence>");
        assert!(told.starts_with(rule), "{told}");
        assert!(told.contains(&format!("<t:StartDate>{first}<")), "{told}");
        let start = texts(&master, "Start")[0];
        assert!(start.starts_with(first), "{start}");
    }
    let never = "<t:Recurrence><t:WeeklyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Monday</t:DaysOfWeek>\
        </t:WeeklyRecurrence><t:EndDateRecurrence><t:StartDate>2026-03-17</t:StartDate>\
        <t:EndDate>2026-03-18</t:EndDate></t:EndDateRecurrence></t:Recurrence>";
    let request = format!(
        "<m:CreateItem SendMeetingInvitations=\"SendToNone\"><m:Items><t:CalendarItem>\
         <t:Start>2026-03-17T08:00:00Z</t:Start><t:End>2026-03-17T09:00:00Z</t:End>{never}\
         </t:CalendarItem></m:Items></m:CreateItem>"
    );
    let refused = bench.ask(ALICE, &request).await;
    assert!(refused.contains("ResponseClass=\"Error\""), "{refused}");
}

#[tokio::test]
async fn the_server_knows_time_zones_by_their_rules() {
    let (bench, _) = bench().await;
    let all = bench
        .ask(
            ALICE,
            "<m:GetServerTimeZones ReturnFullTimeZoneData=\"true\"/>",
        )
        .await;
    assert!(all.matches("<t:TimeZoneDefinition ").count() > 30);
    let one = bench
        .ask(
            ALICE,
            "<m:GetServerTimeZones ReturnFullTimeZoneData=\"true\"><m:Ids><t:Id>W. Europe Standard Time</t:Id>\
             </m:Ids></m:GetServerTimeZones>",
        )
        .await;
    assert_eq!(attrs(&one, "t:Period", "Bias"), ["-PT1H0M", "-PT2H0M"]);
    assert_eq!(texts(&one, "Month"), ["3", "10"]);
    assert_eq!(texts(&one, "Occurrence"), ["-1", "-1"]);
    assert_eq!(texts(&one, "TimeOffset"), ["PT2H0M", "PT3H0M"]);
    let ids = attrs(&one, "t:Period", "Id");
    let registry = "trule:Microsoft/Registry/W. Europe Standard Time/1";
    assert_eq!(
        ids,
        ["Standard", "Daylight"].map(|name| format!("{registry}-{name}"))
    );
    assert!(one.contains(&format!(">{}</t:To>", ids[1])), "{one}");
}

/// The lines of an appointment's MIME text.
async fn mime(bench: &Bench, id: &str) -> Vec<String> {
    let request = format!(
        "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>\
         <t:IncludeMimeContent>true</t:IncludeMimeContent></m:ItemShape><m:ItemIds>{}</m:ItemIds>\
         </m:GetItem>",
        item(id)
    );
    let answer = bench.ask(ALICE, &request).await;
    let text = between(
        &answer,
        "<t:MimeContent CharacterSet=\"UTF-8\">",
        "</t:MimeContent>",
    );
    let text = base64_simd::STANDARD.decode_to_vec(text).unwrap();
    let text = String::from_utf8(text).unwrap().replace("\r\n ", "");
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn has(lines: &[String], wanted: &[&str]) {
    for line in wanted {
        assert!(
            lines.iter().any(|have| have == line),
            "{line} in {lines:#?}"
        );
    }
}

#[tokio::test]
async fn the_mime_text_of_an_appointment_defines_its_zone() {
    let (bench, alice) = bench().await;
    let id = create(&bench, "2026-03-16T08:00:00Z", "2026-03-16T08:30:00Z", "").await;
    let single = mime(&bench, &id).await;
    has(
        &single,
        &[
            "BEGIN:VTIMEZONE",
            "TZID:W. Europe Standard Time",
            "TZOFFSETTO:+0200",
            "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU",
            "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU",
            "DTSTART;TZID=\"W. Europe Standard Time\":20260316T090000",
            "DTEND;TZID=\"W. Europe Standard Time\":20260316T093000",
        ],
    );
    let of_series = &fasttransfer::named::APPOINTMENT_TIME_ZONE_DEFINITION_RECUR;
    let message = alice.message(&id).unwrap();
    assert!(!message.props.contains(of_series), "it is no series");

    let id = create(
        &bench,
        "2026-03-16T08:00:00Z",
        "2026-03-16T08:30:00Z",
        &weekly(TEN),
    )
    .await;
    let series = mime(&bench, &id).await;
    has(
        &series,
        &[
            "TZID:W. Europe Standard Time",
            "DTSTART;TZID=\"W. Europe Standard Time\":20260316T090000",
        ],
    );
    // The text makes the same series: nine o'clock on both sides of the change.
    let text = base64_simd::STANDARD.encode_to_string(series.join("\r\n"));
    let copy = format!(
        "<m:CreateItem SendMeetingInvitations=\"SendToNone\"><m:Items><t:CalendarItem>\
         <t:MimeContent>{text}</t:MimeContent></t:CalendarItem></m:Items></m:CreateItem>"
    );
    let copy = bench.ask(ALICE, &copy).await;
    let copy = attrs(&copy, "t:ItemId", "Id").remove(0);
    assert_eq!(mime(&bench, &copy).await, series);
    let found = bench
        .ask(ALICE, &view("2026-03-25T00:00:00Z", "2026-03-31T00:00:00Z"))
        .await;
    assert_eq!(
        texts(&found, "Start"),
        [
            "2026-03-25T08:00:00Z",
            "2026-03-25T08:00:00Z",
            "2026-03-30T07:00:00Z",
            "2026-03-30T07:00:00Z"
        ]
    );
}

#[tokio::test]
async fn an_update_names_the_zone_of_its_times_in_a_field_of_its_own() {
    let (bench, _) = bench().await;
    let id = create(&bench, "2026-03-16T08:00:00Z", "2026-03-16T08:30:00Z", "").await;
    let field = |name: &str, value: &str| {
        format!(
            "<t:SetItemField><t:FieldURI FieldURI=\"calendar:{name}\"/><t:CalendarItem>{value}\
             </t:CalendarItem></t:SetItemField>"
        )
    };
    let update = format!(
        "<m:UpdateItem ConflictResolution=\"AlwaysOverwrite\" \
         SendMeetingInvitationsOrCancellations=\"SendToNone\"><m:ItemChanges><t:ItemChange>{}\
         <t:Updates>{}{}{}{}</t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>",
        item(&id),
        field("Start", "<t:Start>2026-07-01T21:00:00</t:Start>"),
        field("End", "<t:End>2026-07-02T07:00:00</t:End>"),
        field(
            "StartTimeZone",
            "<t:StartTimeZone Id=\"Pacific Standard Time\"/>"
        ),
        field("EndTimeZone", "<t:EndTimeZone Id=\"GMT Standard Time\"/>"),
    );
    bench.ask(ALICE, &update).await;
    let found = bench.ask(ALICE, &get(&item(&id))).await;
    assert_eq!(texts(&found, "Start"), ["2026-07-02T04:00:00Z"]);
    assert_eq!(texts(&found, "End"), ["2026-07-02T06:00:00Z"]);
    assert_eq!(
        attrs(&found, "t:StartTimeZone", "Id"),
        ["Pacific Standard Time"]
    );
    assert_eq!(attrs(&found, "t:EndTimeZone", "Id"), ["GMT Standard Time"]);
    assert_eq!(texts(&found, "EndWallClock"), ["2026-07-02T07:00:00+01:00"]);
    let lines = mime(&bench, &id).await;
    has(
        &lines,
        &["DTSTART;TZID=\"Pacific Standard Time\":20260701T210000"],
    );
    let delete = format!(
        "<m:UpdateItem ConflictResolution=\"AlwaysOverwrite\" \
         SendMeetingInvitationsOrCancellations=\"SendToNone\"><m:ItemChanges><t:ItemChange>{}\
         <t:Updates><t:DeleteItemField><t:FieldURI FieldURI=\"calendar:StartTimeZone\"/>\
         </t:DeleteItemField></t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>",
        item(&id)
    );
    bench.ask(ALICE, &delete).await;
    has(&mime(&bench, &id).await, &["DTSTART:20260702T040000Z"]);
}

fn availability(address: &str) -> String {
    format!(
        "<m:GetUserAvailabilityRequest><t:TimeZone><t:Bias>-60</t:Bias><t:StandardTime><t:Bias>0</t:Bias>\
         <t:Time>03:00:00</t:Time><t:DayOrder>5</t:DayOrder><t:Month>10</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek>\
         </t:StandardTime><t:DaylightTime><t:Bias>-60</t:Bias><t:Time>02:00:00</t:Time><t:DayOrder>5</t:DayOrder>\
         <t:Month>3</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek></t:DaylightTime></t:TimeZone><m:MailboxDataArray>\
         <t:MailboxData><t:Email><t:Address>{address}</t:Address></t:Email><t:AttendeeType>Required</t:AttendeeType>\
         </t:MailboxData></m:MailboxDataArray><t:FreeBusyViewOptions><t:TimeWindow>\
         <t:StartTime>2026-03-30T08:00:00</t:StartTime><t:EndTime>2026-03-30T12:00:00</t:EndTime></t:TimeWindow>\
         <t:MergedFreeBusyIntervalInMinutes>30</t:MergedFreeBusyIntervalInMinutes>\
         <t:RequestedView>Detailed</t:RequestedView></t:FreeBusyViewOptions></m:GetUserAvailabilityRequest>"
    )
}

#[tokio::test]
async fn free_and_busy_times_are_told_by_the_askers_clocks() {
    let (bench, _) = bench().await;
    create(
        &bench,
        "2026-03-16T08:00:00Z",
        "2026-03-16T08:30:00Z",
        &weekly(TEN),
    )
    .await;
    create(&bench, "2026-03-30T09:00:00Z", "2026-03-30T10:00:00Z", "").await;
    let own = bench.ask(ALICE, &availability(ALICE)).await;
    // Nine to half past, and eleven to twelve, in summer.
    assert_eq!(texts(&own, "MergedFreeBusy"), ["00200022"]);
    assert_eq!(
        texts(&own, "StartTime"),
        ["2026-03-30T09:00:00", "2026-03-30T11:00:00"]
    );
    assert_eq!(texts(&own, "Subject"), ["stand-up", "stand-up"]);
    let strange = bench.ask(BOB, &availability(ALICE)).await;
    assert_eq!(texts(&strange, "MergedFreeBusy"), ["00200022"]);
    assert!(!strange.contains("stand-up"), "{strange}");
    let nobody = bench.ask(ALICE, &availability("nobody@example.com")).await;
    assert!(nobody.contains("ErrorMailRecipientNotFound"), "{nobody}");
}

#[tokio::test]
async fn rooms_and_mail_tips_are_told() {
    let (bench, _) = bench().await;
    let lists = bench.ask(ALICE, "<m:GetRoomLists/>").await;
    assert_eq!(texts(&lists, "EmailAddress"), ["rooms@example.com"]);
    let rooms = "<m:GetRooms><m:RoomList><t:EmailAddress>rooms@example.com</t:EmailAddress></m:RoomList></m:GetRooms>";
    let rooms = bench.ask(ALICE, rooms).await;
    assert_eq!(texts(&rooms, "EmailAddress"), [BOB, "hall@elsewhere.test"]);
    let tips = "<m:GetMailTips><m:SendingAs><t:EmailAddress>alice@example.com</t:EmailAddress></m:SendingAs>\
        <m:Recipients><t:Mailbox><t:EmailAddress>nobody@example.com</t:EmailAddress></t:Mailbox>\
        <t:Mailbox><t:EmailAddress>rooms@example.com</t:EmailAddress></t:Mailbox></m:Recipients>\
        <m:MailTipsRequested>All</m:MailTipsRequested></m:GetMailTips>";
    let tips = bench.ask(ALICE, tips).await;
    assert_eq!(texts(&tips, "InvalidRecipient"), ["true", "false"]);
    assert_eq!(texts(&tips, "TotalMemberCount"), ["1", "2"]);
    assert_eq!(texts(&tips, "ExternalMemberCount"), ["1", "1"]);
}
