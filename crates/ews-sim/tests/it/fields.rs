//! Properties as clients write, choose and read them.

use ews_sim::Sim;

use crate::support::{ALICE, Bench, attrs, between, envelope, validate};

async fn bench() -> Bench {
    Bench::start(Sim::builder().mailbox(ALICE).build().unwrap()).await
}

async fn create(bench: &Bench, item: &str) -> String {
    let ask = format!(
        "<m:CreateItem MessageDisposition=\"SaveOnly\" SendMeetingInvitations=\"SendToNone\">\
         <m:Items>{item}</m:Items></m:CreateItem>"
    );
    let answer = bench.ask(ALICE, &ask).await;
    assert!(answer.contains("NoError"), "{answer}");
    attrs(&answer, "t:ItemId", "Id").remove(0)
}

async fn read(bench: &Bench, id: &str) -> String {
    let ask = format!(
        "<m:GetItem><m:ItemShape><t:BaseShape>AllProperties</t:BaseShape></m:ItemShape><m:ItemIds>\
         <t:ItemId Id=\"{id}\"/></m:ItemIds></m:GetItem>"
    );
    bench.ask(ALICE, &ask).await
}

async fn update(bench: &Bench, id: &str, fields: &str) -> String {
    let ask = format!(
        "<m:UpdateItem ConflictResolution=\"AlwaysOverwrite\" MessageDisposition=\"SaveOnly\" \
         SendMeetingInvitationsOrCancellations=\"SendToNone\"><m:ItemChanges><t:ItemChange>\
         <t:ItemId Id=\"{id}\"/><t:Updates>{fields}</t:Updates></t:ItemChange></m:ItemChanges>\
         </m:UpdateItem>"
    );
    bench.ask(ALICE, &ask).await
}

/// Subjects of drafts that meet a condition, in the order of an answer.
async fn found(bench: &Bench, condition: &str, sort: &str) -> Vec<String> {
    let ask = format!(
        "<m:FindItem Traversal=\"Shallow\"><m:ItemShape><t:BaseShape>Default</t:BaseShape></m:ItemShape>\
         {condition}{sort}<m:ParentFolderIds><t:DistinguishedFolderId Id=\"drafts\"/></m:ParentFolderIds>\
         </m:FindItem>"
    );
    let answer = bench.ask(ALICE, &ask).await;
    let parts = answer.split("<t:Subject>").skip(1);
    parts
        .map(|part| part.split('<').next().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn what_is_sent_has_no_id_yet() {
    let bench = bench().await;
    let send = "<m:CreateItem MessageDisposition=\"SendAndSaveCopy\"><m:Items><t:Message>\
        <t:Subject>on its way</t:Subject><t:ToRecipients><t:Mailbox>\
        <t:EmailAddress>bob@example.com</t:EmailAddress></t:Mailbox></t:ToRecipients></t:Message>\
        </m:Items></m:CreateItem>";
    let answer = bench.ask(ALICE, send).await;
    assert!(answer.contains("<m:Items/>"), "{answer}");
    let alice = bench.sim.mailbox(ALICE).unwrap();
    assert_eq!(alice.items("Sent Items").unwrap()[0].subject, "on its way");
    assert_eq!(bench.sim.sent_messages(), 1);
}

#[tokio::test]
async fn a_flag_is_compared_whatever_its_case() {
    let bench = bench().await;
    let mail = |subject: &str, read: bool| {
        format!(
            "<t:Message><t:Subject>{subject}</t:Subject><t:IsRead>{read}</t:IsRead></t:Message>"
        )
    };
    create(&bench, &mail("read", true)).await;
    create(&bench, &mail("unread", false)).await;
    for (constant, wanted) in [("True", "read"), ("FALSE", "unread"), ("false", "unread")] {
        let condition = format!(
            "<m:Restriction><t:IsEqualTo><t:FieldURI FieldURI=\"message:IsRead\"/>\
             <t:FieldURIOrConstant><t:Constant Value=\"{constant}\"/></t:FieldURIOrConstant>\
             </t:IsEqualTo></m:Restriction>"
        );
        assert_eq!(found(&bench, &condition, "").await, [wanted], "{constant}");
    }
}

#[tokio::test]
async fn items_come_in_groups_that_stand_by_their_newest_or_oldest() {
    let bench = bench().await;
    for (subject, importance) in [("a", "High"), ("b", "Low"), ("c", "High")] {
        let item = format!(
            "<t:Message><t:Subject>{subject}</t:Subject><t:Importance>{importance}</t:Importance>\
             </t:Message>"
        );
        create(&bench, &item).await;
    }
    for (order, aggregate, wanted) in [
        ("Ascending", "Maximum", ["0", "2"]),
        ("Descending", "Maximum", ["2", "0"]),
        ("Ascending", "Minimum", ["2", "0"]),
    ] {
        let ask = format!(
            "<m:FindItem Traversal=\"Shallow\"><m:ItemShape><t:BaseShape>Default</t:BaseShape>\
             </m:ItemShape><m:IndexedPageItemView MaxEntriesReturned=\"10\" Offset=\"0\" \
             BasePoint=\"Beginning\"/><m:GroupBy Order=\"{order}\">\
             <t:FieldURI FieldURI=\"item:Importance\"/><t:AggregateOn Aggregate=\"{aggregate}\">\
             <t:FieldURI FieldURI=\"item:Subject\"/></t:AggregateOn></m:GroupBy><m:SortOrder>\
             <t:FieldOrder Order=\"Descending\"><t:FieldURI FieldURI=\"item:Subject\"/></t:FieldOrder>\
             </m:SortOrder><m:ParentFolderIds><t:DistinguishedFolderId Id=\"drafts\"/>\
             </m:ParentFolderIds></m:FindItem>"
        );
        let answer = bench.ask(ALICE, &ask).await;
        assert_eq!(leaves(&answer, "GroupIndex"), wanted, "{order} {aggregate}");
        let high = answer.split("<t:GroupIndex>2<").nth(1).unwrap();
        let high = high.split("</t:GroupedItems>").next().unwrap();
        assert_eq!(leaves(high, "Subject"), ["c", "a"]);
    }
    let topics = "<m:FindItem Traversal=\"Shallow\"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>\
        </m:ItemShape><m:DistinguishedGroupBy Order=\"Descending\">\
        <t:StandardGroupBy>ConversationTopic</t:StandardGroupBy></m:DistinguishedGroupBy>\
        <m:ParentFolderIds><t:DistinguishedFolderId Id=\"drafts\"/></m:ParentFolderIds></m:FindItem>";
    let answer = bench.ask(ALICE, topics).await;
    assert_eq!(attrs(&answer, "t:ItemId", "Id").len(), 3, "{answer}");
    let page =
        "<m:IndexedPageItemView MaxEntriesReturned=\"2\" Offset=\"0\" BasePoint=\"Beginning\"/>";
    let paged = topics.replace(
        "<m:DistinguishedGroupBy",
        &format!("{page}<m:DistinguishedGroupBy"),
    );
    let answer = bench.ask(ALICE, &paged).await;
    assert_eq!(attrs(&answer, "t:ItemId", "Id").len(), 2, "{answer}");
}

/// The texts of an element, wherever it stands.
fn leaves<'t>(answer: &'t str, name: &str) -> Vec<&'t str> {
    let start = format!("<t:{name}>");
    let parts = answer.split(&start).skip(1);
    parts.map(|part| part.split('<').next().unwrap()).collect()
}

#[tokio::test]
async fn an_appointments_time_in_words_is_set_read_and_deleted() {
    let bench = bench().await;
    let item = "<t:CalendarItem><t:Subject>lunch</t:Subject><t:Start>2026-03-15T09:00:00Z</t:Start>\
        <t:End>2026-03-15T10:00:00Z</t:End><t:When>Sunday at ten</t:When></t:CalendarItem>";
    let id = create(&bench, item).await;
    assert_eq!(
        between(&read(&bench, &id).await, "<t:When>", "<"),
        "Sunday at ten"
    );
    let delete = "<t:DeleteItemField><t:FieldURI FieldURI=\"calendar:When\"/></t:DeleteItemField>";
    let answer = update(&bench, &id, delete).await;
    assert!(answer.contains("NoError"), "{answer}");
    assert!(!read(&bench, &id).await.contains("t:When"));
}

#[tokio::test]
async fn each_category_counts_for_itself_and_importance_has_an_order() {
    let bench = bench().await;
    for (subject, importance, categories) in [
        ("one", "Low", "<t:String>Even</t:String>"),
        (
            "two",
            "High",
            "<t:String>Odd</t:String><t:String>Strange</t:String>",
        ),
        ("three", "Normal", "<t:String>Strange</t:String>"),
    ] {
        let item = format!(
            "<t:Message><t:Subject>{subject}</t:Subject><t:Categories>{categories}</t:Categories>\
             <t:Importance>{importance}</t:Importance></t:Message>"
        );
        create(&bench, &item).await;
    }
    let is = |value: &str| {
        format!(
            "<m:Restriction><t:IsEqualTo><t:FieldURI FieldURI=\"item:Categories\"/><t:FieldURIOrConstant>\
             <t:Constant Value=\"{value}\"/></t:FieldURIOrConstant></t:IsEqualTo></m:Restriction>"
        )
    };
    assert_eq!(found(&bench, &is("Strange"), "").await, ["two", "three"]);
    assert_eq!(found(&bench, &is("Stran"), "").await, Vec::<String>::new());
    let sort = "<m:SortOrder><t:FieldOrder Order=\"Descending\"><t:FieldURI FieldURI=\"item:Importance\"/>\
        </t:FieldOrder></m:SortOrder>";
    assert_eq!(found(&bench, "", sort).await, ["two", "three", "one"]);
}

#[tokio::test]
async fn what_is_appended_stands_behind_what_is_there() {
    let bench = bench().await;
    let id = create(
        &bench,
        "<t:Message><t:Body BodyType=\"Text\">old</t:Body><t:ToRecipients><t:Mailbox>\
         <t:EmailAddress>a@example.org</t:EmailAddress></t:Mailbox></t:ToRecipients></t:Message>",
    )
    .await;
    let append = |uri: &str, value: &str| {
        format!(
            "<t:AppendToItemField><t:FieldURI FieldURI=\"{uri}\"/><t:Message>{value}</t:Message>\
             </t:AppendToItemField>"
        )
    };
    let fields = append("item:Body", "<t:Body BodyType=\"Text\"> new</t:Body>")
        + &append(
            "message:ToRecipients",
            "<t:ToRecipients><t:Mailbox><t:EmailAddress>b@example.org</t:EmailAddress></t:Mailbox>\
             </t:ToRecipients>",
        );
    assert!(update(&bench, &id, &fields).await.contains("NoError"));
    let item = read(&bench, &id).await;
    assert_eq!(between(&item, "<t:Body BodyType=\"Text\">", "<"), "old new");
    assert!(item.contains("a@example.org") && item.contains("b@example.org"));
    let refused = append("item:Subject", "<t:Subject>more</t:Subject>");
    let refused = update(&bench, &id, &refused).await;
    assert!(refused.contains("ErrorInvalidPropertyAppend"), "{refused}");
}

#[tokio::test]
async fn replies_go_where_the_mail_says() {
    let bench = bench().await;
    let id = create(
        &bench,
        "<t:Message><t:Subject>x</t:Subject><t:ReplyTo><t:Mailbox><t:Name>Désk</t:Name><t:EmailAddress>\
         desk@example.org</t:EmailAddress></t:Mailbox><t:Mailbox><t:EmailAddress>two@example.org\
         </t:EmailAddress></t:Mailbox></t:ReplyTo></t:Message>",
    )
    .await;
    let item = read(&bench, &id).await;
    let reply_to = between(&item, "<t:ReplyTo>", "</t:ReplyTo>");
    assert!(reply_to.contains("<t:Name>Désk<") && reply_to.contains(">desk@example.org<"));
    assert!(reply_to.contains(">two@example.org<"));
}

#[tokio::test]
async fn a_task_comes_again_and_its_parts_agree() {
    let bench = bench().await;
    for (pattern, wanted) in [
        (
            "<t:WeeklyRecurrence><t:Interval>2</t:Interval><t:DaysOfWeek>Monday</t:DaysOfWeek>\
             </t:WeeklyRecurrence>",
            "<t:WeeklyRecurrence><t:Interval>2<",
        ),
        (
            "<t:DailyRegeneration><t:Interval>3</t:Interval></t:DailyRegeneration>",
            "<t:DailyRegeneration><t:Interval>3<",
        ),
    ] {
        let id = create(
            &bench,
            &format!(
                "<t:Task><t:Subject>Water</t:Subject><t:ActualWork>30</t:ActualWork><t:Recurrence>{pattern}\
                 <t:NumberedRecurrence><t:StartDate>2026-11-02</t:StartDate><t:NumberOfOccurrences>5\
                 </t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence></t:Task>"
            ),
        )
        .await;
        let task = read(&bench, &id).await;
        assert!(task.contains(wanted), "{task}");
        assert!(task.contains("<t:StartDate>2026-11-02Z<"), "{task}");
        assert!(task.contains("<t:IsRecurring>true<") && task.contains("<t:ActualWork>30<"));
        let done = "<t:SetItemField><t:FieldURI FieldURI=\"task:PercentComplete\"/><t:Task>\
            <t:PercentComplete>100</t:PercentComplete></t:Task></t:SetItemField>";
        update(&bench, &id, done).await;
        let task = read(&bench, &id).await;
        assert!(task.contains("<t:Status>Completed<") && task.contains("<t:IsComplete>true<"));
    }
}

#[tokio::test]
async fn an_attachment_keeps_its_id_when_another_goes() {
    let bench = bench().await;
    let file = |name: &str| {
        format!(
            "<t:FileAttachment><t:Name>{name}</t:Name><t:Content>{}</t:Content></t:FileAttachment>",
            base64_simd::STANDARD.encode_to_string(name)
        )
    };
    let files = ["a", "b", "c"].map(file).concat();
    let id = create(
        &bench,
        &format!("<t:Message><t:Attachments>{files}</t:Attachments></t:Message>"),
    )
    .await;
    let ids = attrs(&read(&bench, &id).await, "t:AttachmentId", "Id");
    let both: String = ids[..2]
        .iter()
        .map(|id| format!("<t:AttachmentId Id=\"{id}\"/>"))
        .collect();
    let deleted = bench
        .ask(
            ALICE,
            &format!(
                "<m:DeleteAttachment><m:AttachmentIds>{both}</m:AttachmentIds></m:DeleteAttachment>"
            ),
        )
        .await;
    assert_eq!(deleted.matches("NoError").count(), 2, "{deleted}");
    let get = format!(
        "<m:GetAttachment><m:AttachmentIds><t:AttachmentId Id=\"{}\"/></m:AttachmentIds></m:GetAttachment>",
        ids[2]
    );
    assert!(bench.ask(ALICE, &get).await.contains("<t:Name>c<"));
}

#[tokio::test]
async fn times_without_an_offset_are_of_the_requests_zone() {
    let bench = bench().await;
    let create = "<m:CreateItem SendMeetingInvitations=\"SendToNone\"><m:Items><t:CalendarItem>\
        <t:Subject>2026-07-06T09:00:00</t:Subject><t:Start>2026-07-06T09:00:00</t:Start>\
        <t:End>2026-07-06T10:00:00</t:End></t:CalendarItem></m:Items></m:CreateItem>";
    let zone = "<t:TimeZoneContext><t:TimeZoneDefinition Id=\"W. Europe Standard Time\"/></t:TimeZoneContext>";
    let answer = bench.post(ALICE, envelope(zone, create)).await;
    validate(&answer.body);
    let id = attrs(&answer.body, "t:ItemId", "Id").remove(0);
    let item = read(&bench, &id).await;
    assert_eq!(between(&item, "<t:Start>", "<"), "2026-07-06T07:00:00Z");
    assert_eq!(between(&item, "<t:Subject>", "<"), "2026-07-06T09:00:00");
}
