// Lets ews-javascript-api, a client that knows nothing of Postkeep, work with a simulator.
//
//     node ews_javascript_check.js MODULES ENDPOINT
//
// MODULES is the folder that npm installed the client into; ENDPOINT serves the mail that
// exchangelib_mail.py writes. Prints one line a check and ends with 1 when any failed.
"use strict";

const path = require("path");
const [modules, endpoint] = process.argv.slice(2);
const ews = require(path.join(modules, "node_modules", "ews-javascript-api"));
const { WellKnownFolderName, PropertySet, BasePropertySet } = ews;

const ALICE = "alice@example.test";
const BOB = "bob@example.test";
const INBOX_MAILS = 60;
const checks = [];

function check(name, run) {
  checks.push({ name, run });
}

function expect(actual, wanted, what) {
  const [one, other] = [JSON.stringify(actual), JSON.stringify(wanted)];
  if (one !== other) throw new Error(`${what}: ${one} instead of ${other}`);
}

function connect(user, password = "secret") {
  const service = new ews.ExchangeService(ews.ExchangeVersion.Exchange2013_SP1);
  service.Credentials = new ews.WebCredentials(user, password);
  service.Url = new ews.Uri(endpoint);
  return service;
}

const alice = connect(ALICE);

// The client's promises are rejected with its own kinds of error, or with plain objects.
async function refused(word, action) {
  let answer;
  try {
    answer = await action();
  } catch (error) {
    const codes = [error.ErrorCode, error.errorCode].map((code) => ews.ServiceError[code]);
    const text = `${codes} ${error.message} ${error.Message} ${error.StatusCode} ${JSON.stringify(error)}`;
    if (!text.includes(word)) throw new Error(`refused with ${text.slice(0, 200)} instead of ${word}`);
    return;
  }
  throw new Error(`not refused, but ${String(answer).slice(0, 80)}`);
}

async function find(subject, folder = WellKnownFolderName.Inbox) {
  const filter = new ews.SearchFilter.IsEqualTo(ews.ItemSchema.Subject, subject);
  const found = await alice.FindItems(folder, filter, new ews.ItemView(5));
  expect(found.Items.length, 1, `items called ${subject}`);
  return found.Items[0];
}

async function projects() {
  const view = new ews.FolderView(100);
  view.Traversal = ews.FolderTraversal.Deep;
  const found = await alice.FindFolders(WellKnownFolderName.MsgFolderRoot, view);
  return found.Folders.find((folder) => folder.DisplayName === "2026").Id;
}

check("the folder tree is listed", async () => {
  const view = new ews.FolderView(100);
  view.Traversal = ews.FolderTraversal.Deep;
  const found = await alice.FindFolders(WellKnownFolderName.MsgFolderRoot, view);
  const names = found.Folders.map((folder) => folder.DisplayName);
  const missing = ["Inbox", "Projects", "2026", "Calendar", "Contacts"].filter((name) => !names.includes(name));
  expect(missing, [], "missing folders");
});

check("a folder tells its counts", async () => {
  const inbox = await ews.Folder.Bind(alice, WellKnownFolderName.Inbox);
  expect(inbox.TotalCount, INBOX_MAILS, "total count");
});

check("pages neither lose nor repeat an item", async () => {
  const ids = new Set();
  for (let offset = 0; ; offset += 7) {
    const page = await alice.FindItems(WellKnownFolderName.Inbox, new ews.ItemView(7, offset));
    page.Items.forEach((item) => ids.add(item.Id.UniqueId));
    if (!page.MoreAvailable) break;
  }
  expect(ids.size, INBOX_MAILS, "different ids");
});

check("a restriction finds one mail", async () => {
  const item = await find("Report number 7");
  expect(item.Subject, "Report number 7", "subject");
});

check("a mail's text and addresses are read", async () => {
  const item = await find("Report number 3");
  const set = new PropertySet(BasePropertySet.FirstClassProperties);
  set.RequestedBodyType = ews.BodyType.Text;
  const mail = await ews.EmailMessage.Bind(alice, item.Id, set);
  expect(mail.Body.Text.includes("report 3 is ready"), true, "the text is there");
  expect(mail.From.Address, BOB, "from");
  expect(mail.CcRecipients.Items.map((one) => one.Address), ["dora@example.test"], "cc");
});

check("a mail's MIME is read", async () => {
  const item = await find("Report number 4");
  const set = new PropertySet(BasePropertySet.IdOnly, [ews.ItemSchema.MimeContent]);
  const mail = await ews.Item.Bind(alice, item.Id, set);
  const text = Buffer.from(mail.MimeContent.Content, "base64").toString("utf8");
  expect(text.includes("Subject: Report number 4\r\n"), true, "the header is there");
});

check("attachments keep name and bytes", async () => {
  const item = await find("Two files");
  const set = new PropertySet(BasePropertySet.IdOnly, [ews.ItemSchema.Attachments]);
  const mail = await ews.Item.Bind(alice, item.Id, set);
  expect(mail.Attachments.Items.map((one) => one.Name).sort(), ["bild-ü.bin", "table.csv"], "names");
  const picture = mail.Attachments.Items.find((one) => one.Name === "bild-ü.bin");
  await picture.Load();
  const bytes = Buffer.from(picture.Base64Content, "base64");
  expect([bytes.length, bytes[255], bytes[256]], [10240, 255, 0], "length and bytes");
});

check("a mail is created as a draft", async () => {
  const mail = new ews.EmailMessage(alice);
  mail.Subject = "From JavaScript";
  mail.Body = new ews.MessageBody(ews.BodyType.Text, "Line one");
  mail.ToRecipients.Add(BOB);
  await mail.Save(WellKnownFolderName.Drafts);
  const found = await find("From JavaScript", WellKnownFolderName.Drafts);
  expect(found.IsDraft, true, "draft");
});

check("a mail is changed", async () => {
  const item = await find("Report number 5");
  const mail = await ews.Item.Bind(alice, item.Id);
  mail.Subject = "Renamed by JavaScript";
  await mail.Update(ews.ConflictResolutionMode.AutoResolve);
  const again = await find("Renamed by JavaScript");
  expect(again.Id.UniqueId, item.Id.UniqueId, "id");
});

check("a mail is moved and gets another id", async () => {
  const item = await find("Report number 8");
  const target = await projects();
  const moved = await item.Move(target);
  const found = await find("Report number 8", target);
  expect(found.Id.UniqueId, moved.Id.UniqueId, "id");
  expect(found.Id.UniqueId === item.Id.UniqueId, false, "the same id");
});

check("a mail is copied", async () => {
  const item = await find("Report number 9");
  const target = await projects();
  await item.Copy(target);
  await find("Report number 9", target);
  await find("Report number 9");
});

check("a mail is deleted", async () => {
  const item = await find("Report number 10");
  await item.Delete(ews.DeleteMode.HardDelete);
  await refused("ErrorItemNotFound", () => ews.Item.Bind(alice, item.Id));
});

check("folders are created, renamed and deleted", async () => {
  const folder = new ews.Folder(alice);
  folder.DisplayName = "Made by JavaScript";
  await folder.Save(WellKnownFolderName.MsgFolderRoot);
  folder.DisplayName = "Renamed by JavaScript";
  await folder.Update();
  const again = await ews.Folder.Bind(alice, folder.Id);
  expect(again.DisplayName, "Renamed by JavaScript", "name");
  await again.Delete(ews.DeleteMode.HardDelete);
  await refused("ErrorFolderNotFound", () => ews.Folder.Bind(alice, folder.Id));
});

check("a missing folder is refused", async () => {
  const id = new ews.FolderId("AAMkNotAnId");
  await refused("ErrorInvalidIdMalformed", () => ews.Folder.Bind(alice, id));
});

check("a sync tells every item once, and then nothing", async () => {
  const folder = await projects();
  const shape = PropertySet.IdOnly;
  let state = null;
  let told = 0;
  for (let more = true; more; ) {
    const page = await alice.SyncFolderItems(folder, shape, null, 2, ews.SyncFolderItemsScope.NormalItems, state);
    told += page.Count;
    state = page.SyncState;
    more = page.MoreChangesAvailable;
  }
  const bound = await ews.Folder.Bind(alice, folder);
  expect(told, bound.TotalCount, "changes");
  const quiet = await alice.SyncFolderItems(folder, shape, null, 10, ews.SyncFolderItemsScope.NormalItems, state);
  expect(quiet.Count, 0, "changes of an unchanged folder");
});

check("a sync of the hierarchy tells a new folder", async () => {
  const first = await alice.SyncFolderHierarchy(new ews.FolderId(WellKnownFolderName.MsgFolderRoot), PropertySet.IdOnly, null);
  const folder = new ews.Folder(alice);
  folder.DisplayName = "Later";
  await folder.Save(WellKnownFolderName.MsgFolderRoot);
  const root = new ews.FolderId(WellKnownFolderName.MsgFolderRoot);
  const next = await alice.SyncFolderHierarchy(root, PropertySet.IdOnly, first.SyncState);
  expect(next.Count, 1, "changes");
  await folder.Delete(ews.DeleteMode.HardDelete);
});

check("a name is resolved", async () => {
  const found = await alice.ResolveName("bob");
  expect([found.Count, found._getItem(0).Mailbox.Address], [1, BOB], "count and address");
});

check("an appointment comes back with its times", async () => {
  const event = new ews.Appointment(alice);
  event.Subject = "JavaScript review";
  event.Start = ews.DateTime.Parse("2026-06-01T09:30:00Z");
  event.End = ews.DateTime.Parse("2026-06-01T10:00:00Z");
  await event.Save(WellKnownFolderName.Calendar, ews.SendInvitationsMode.SendToNone);
  const again = await ews.Appointment.Bind(alice, event.Id);
  expect(again.End.TotalMilliSeconds - again.Start.TotalMilliSeconds, 30 * 60 * 1000, "duration");
});

check("pulled events tell a new mail", async () => {
  const inbox = [new ews.FolderId(WellKnownFolderName.Inbox)];
  const subscription = await alice.SubscribeToPullNotifications(inbox, 5, null, [ews.EventType.Created]);
  const mail = new ews.EmailMessage(alice);
  mail.Subject = "Told by an event";
  await mail.Save(WellKnownFolderName.Inbox);
  const news = await subscription.GetEvents();
  const created = [...news.ItemEvents].map((event) => event.ItemId.UniqueId);
  expect(created, [mail.Id.UniqueId], "created items");
  await subscription.Unsubscribe();
});

check("a mail is made with an attachment", async () => {
  const mail = new ews.EmailMessage(alice);
  mail.Subject = "With a file";
  mail.Attachments.AddFileAttachment("näme.txt", Buffer.from("hällo").toString("base64"));
  await mail.Save(WellKnownFolderName.Drafts);
  const found = await find("With a file", WellKnownFolderName.Drafts);
  const set = new PropertySet(BasePropertySet.IdOnly, [ews.ItemSchema.Attachments]);
  const again = await ews.Item.Bind(alice, found.Id, set);
  const file = again.Attachments.Items[0];
  await file.Load();
  const text = Buffer.from(file.Base64Content, "base64").toString("utf8");
  expect([file.Name, text], ["näme.txt", "hällo"], "name and text");
});

check("many items are made, changed, copied and deleted at once", async () => {
  const mails = ["one", "two", "three"].map((subject) => {
    const mail = new ews.EmailMessage(alice);
    mail.Subject = `batch ${subject}`;
    return mail;
  });
  const drafts = new ews.FolderId(WellKnownFolderName.Drafts);
  const made = await alice.CreateItems(mails, drafts, ews.MessageDisposition.SaveOnly, null);
  expect(made.OverallResult, ews.ServiceResult.Success, "created");
  mails.forEach((mail) => (mail.Importance = ews.Importance.High));
  const resolve = ews.ConflictResolutionMode.AlwaysOverwrite;
  const updated = await alice.UpdateItems(mails, drafts, resolve, ews.MessageDisposition.SaveOnly, null);
  expect(updated.OverallResult, ews.ServiceResult.Success, "changed");
  const ids = mails.map((mail) => mail.Id);
  const copied = await alice.CopyItems(ids, new ews.FolderId(WellKnownFolderName.Notes));
  expect(copied.OverallResult, ews.ServiceResult.Success, "copied");
  const gone = await alice.DeleteItems(ids, ews.DeleteMode.HardDelete, null, null);
  expect(gone.OverallResult, ews.ServiceResult.Success, "deleted");
  const again = await alice.DeleteItems(ids, ews.DeleteMode.HardDelete, null, null);
  const codes = again.Responses.map((one) => ews.ServiceError[one.ErrorCode]);
  expect(codes, Array(3).fill("ErrorItemNotFound"), "deleted twice");
});

check("an answer quotes what it answers", async () => {
  const item = await find("Report number 11");
  const mail = await ews.EmailMessage.Bind(alice, item.Id);
  const reply = mail.CreateReply(true);
  reply.BodyPrefix = new ews.MessageBody(ews.BodyType.Text, "Thanks!");
  const saved = await reply.Save(WellKnownFolderName.Drafts);
  const set = new PropertySet(BasePropertySet.FirstClassProperties);
  set.RequestedBodyType = ews.BodyType.Text;
  const again = await ews.EmailMessage.Bind(alice, saved.Id, set);
  expect(again.Subject, "RE: Report number 11", "subject");
  const text = again.Body.Text;
  expect([text.includes("Thanks!"), text.includes("report 11 is ready")], [true, true], "text");
});

check("a series shows its occurrences in a calendar view", async () => {
  const event = new ews.Appointment(alice);
  event.Subject = "Every day";
  event.Start = ews.DateTime.Parse("2026-07-01T08:00:00Z");
  event.End = ews.DateTime.Parse("2026-07-01T08:15:00Z");
  event.Recurrence = new ews.Recurrence.DailyPattern(event.Start, 1);
  event.Recurrence.NumberOfOccurrences = 5;
  await event.Save(WellKnownFolderName.Calendar, ews.SendInvitationsMode.SendToNone);
  const [from, to] = ["2026-07-02T00:00:00Z", "2026-07-04T00:00:00Z"].map((at) => ews.DateTime.Parse(at));
  const found = await alice.FindAppointments(WellKnownFolderName.Calendar, new ews.CalendarView(from, to));
  expect(found.Items.map((one) => one.Subject), ["Every day", "Every day"], "occurrences");
});

check("contacts and tasks come back", async () => {
  const contact = new ews.Contact(alice);
  contact.GivenName = "Frieda";
  contact.Surname = "Ünlü";
  contact.EmailAddresses._setItem(ews.EmailAddressKey.EmailAddress1, new ews.EmailAddress("frieda@example.org"));
  await contact.Save(WellKnownFolderName.Contacts);
  const person = await ews.Contact.Bind(alice, contact.Id);
  const address = person.EmailAddresses._getItem(ews.EmailAddressKey.EmailAddress1).Address;
  expect([person.Surname, address], ["Ünlü", "frieda@example.org"], "contact");
  const task = new ews.Task(alice);
  task.Subject = "Water the plants";
  task.Status = ews.TaskStatus.InProgress;
  task.PercentComplete = 40;
  await task.Save(WellKnownFolderName.Tasks);
  const again = await ews.Task.Bind(alice, task.Id);
  expect([again.Subject, again.Status, again.PercentComplete], ["Water the plants", ews.TaskStatus.InProgress, 40], "task");
});

check("rules are made, listed and deleted", async () => {
  const rule = new ews.Rule();
  rule.DisplayName = "By JavaScript";
  rule.Priority = 1;
  rule.IsEnabled = true;
  rule.Conditions.ContainsSubjectStrings.Add("urgent");
  rule.Actions.MarkImportance = ews.Importance.High;
  await alice.UpdateInboxRules([new ews.CreateRuleOperation(rule)], true);
  const rules = (await alice.GetInboxRules()).GetEnumerator();
  expect(rules.map((one) => one.DisplayName), ["By JavaScript"], "names");
  await alice.UpdateInboxRules([new ews.DeleteRuleOperation(rules[0].Id)], true);
  expect((await alice.GetInboxRules()).Count, 0, "rules left");
});

check("a delegate is added and told", async () => {
  const user = new ews.DelegateUser(BOB);
  user.Permissions.CalendarFolderPermissionLevel = ews.DelegateFolderPermissionLevel.Editor;
  const mailbox = new ews.Mailbox(ALICE);
  await alice.AddDelegates(mailbox, ews.MeetingRequestsDeliveryScope.DelegatesAndMe, [user]);
  const told = await alice.GetDelegates(mailbox, true);
  const one = told.DelegateUserResponses[0].DelegateUser;
  const level = one.Permissions.CalendarFolderPermissionLevel;
  expect([one.UserId.PrimarySmtpAddress, level], [BOB, ews.DelegateFolderPermissionLevel.Editor], "delegate");
  await alice.RemoveDelegates(mailbox, [new ews.UserId(BOB)]);
});

check("a user configuration keeps its dictionary", async () => {
  const made = new ews.UserConfiguration(alice);
  made.Dictionary.Add("colour", "grün");
  await made.Save("JavaScript.Test", WellKnownFolderName.Inbox);
  const inbox = new ews.FolderId(WellKnownFolderName.Inbox);
  const again = await ews.UserConfiguration.Bind(alice, "JavaScript.Test", inbox, ews.UserConfigurationProperties.All);
  expect(again.Dictionary._getItem("colour"), "grün", "value");
  await again.Delete();
});

check("an id is converted into another form", async () => {
  const item = await find("Report number 12");
  const id = new ews.AlternateId(ews.IdFormat.EwsId, item.Id.UniqueId, ALICE, false);
  const hex = await alice.ConvertId(id, ews.IdFormat.HexEntryId);
  const back = await alice.ConvertId(new ews.AlternateId(ews.IdFormat.HexEntryId, hex.UniqueId, ALICE, false), ews.IdFormat.EwsId);
  expect(back.UniqueId, item.Id.UniqueId, "id there and back");
});

check("out-of-office settings come back", async () => {
  const settings = await alice.GetUserOofSettings(ALICE);
  settings.State = ews.OofState.Enabled;
  settings.InternalReply = new ews.OofReply("Away, out");
  await alice.SetUserOofSettings(ALICE, settings);
  const again = await alice.GetUserOofSettings(ALICE);
  expect([again.State, again.InternalReply.Message], [ews.OofState.Enabled, "Away, out"], "settings");
});

check("a wrong password is refused", async () => {
  const stranger = connect(BOB, "wrong");
  await refused("401", () => ews.Folder.Bind(stranger, WellKnownFolderName.Inbox));
});

check("the service account impersonates a mailbox", async () => {
  const service = connect("svc@example.test");
  service.ImpersonatedUserId = new ews.ImpersonatedUserId(ews.ConnectingIdType.SmtpAddress, BOB);
  const found = await service.FindItems(WellKnownFolderName.Inbox, new ews.ItemView(5));
  expect(found.Items.map((item) => item.Subject), ["Report number 3000"], "subjects");
});

check("an ordinary account may not impersonate", async () => {
  const service = connect(BOB);
  service.ImpersonatedUserId = new ews.ImpersonatedUserId(ews.ConnectingIdType.SmtpAddress, ALICE);
  await refused("ErrorImpersonateUserDenied", () => ews.Folder.Bind(service, WellKnownFolderName.Inbox));
});

(async () => {
  let failures = 0;
  for (const { name, run } of checks) {
    try {
      await run();
      console.log(`ok    ${name}`);
    } catch (error) {
      failures += 1;
      const text = error.message || error.Message || JSON.stringify(error);
      console.log(`FAIL  ${name}: ${String(text).slice(0, 300)}`);
    }
  }
  console.log(`ews-javascript-api: ${checks.length - failures} of ${checks.length} checks passed`);
  process.exit(failures === 0 ? 0 : 1);
})();
