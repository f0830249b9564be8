// Lets node-ews, a client that knows nothing of Postkeep, work with a simulator: it reads the
// service's description first, and then sends whatever its caller spells out.
//
//     node node_ews_check.js MODULES ENDPOINT SCRATCH
//
// MODULES is the folder that npm installed the client into; ENDPOINT serves the mail that
// exchangelib_mail.py writes. Prints one line a check and ends with 1 when any failed.
"use strict";

const fs = require("fs");
const path = require("path");
const [modules, endpoint, scratch] = process.argv.slice(2);
const EWS = require(path.join(modules, "node_modules", "node-ews"));

const ALICE = "alice@example.test";
const BOB = "bob@example.test";
const INBOX_MAILS = 60;
const checks = [];
let clients = 0;

function check(name, run) {
  checks.push({ name, run });
}

function expect(actual, wanted, what) {
  const [one, other] = [JSON.stringify(actual), JSON.stringify(wanted)];
  if (one !== other) throw new Error(`${what}: ${one} instead of ${other}`);
}

// The client signs in by a token: its Basic stops at a server that offers another way first.
async function connect(username, password = "secret") {
  const temp = path.join(scratch, `client-${(clients += 1)}`);
  fs.mkdirSync(temp, { recursive: true });
  const host = endpoint.replace(/\/EWS\/.*/, "");
  const asked = { grant_type: "client_credentials", client_id: username, client_secret: password };
  const answer = await fetch(`${host}/sim/token`, { method: "POST", body: new URLSearchParams(asked) });
  const token = (await answer.json()).access_token || "none";
  return new EWS({ username, token, host, auth: "bearer", temp }, {});
}

let alice;
const header = { "t:RequestServerVersion": { attributes: { Version: "Exchange2013_SP1" } } };

async function ask(operation, request, client = undefined, headers = header) {
  const answer = await (client || alice).run(operation, request, headers);
  const list = answer.ResponseMessages;
  return list ? list[`${operation}ResponseMessage`] : answer;
}

async function good(operation, request) {
  const message = await ask(operation, request);
  expect(message.ResponseCode, "NoError", operation);
  return message;
}

const id = (value) => ({ attributes: { Id: value } });
const inbox = { DistinguishedFolderId: id("inbox") };
const drafts = { DistinguishedFolderId: id("drafts") };
const shape = (base) => ({ BaseShape: base });
const many = (value) => (Array.isArray(value) ? value : value ? [value] : []);
let draft;

async function find(parent, paging) {
  const request = { attributes: { Traversal: "Shallow" }, ItemShape: shape("Default") };
  if (paging) request.IndexedPageItemView = { attributes: paging };
  request.ParentFolderIds = parent;
  return (await good("FindItem", request)).RootFolder;
}

check("a folder is read through the description", async () => {
  const message = await good("GetFolder", { FolderShape: shape("Default"), FolderIds: inbox });
  expect([message.Folders.Folder.DisplayName, Number(message.Folders.Folder.TotalCount)], ["Inbox", INBOX_MAILS], "folder");
});

check("the tree of folders is listed", async () => {
  const message = await good("FindFolder", {
    attributes: { Traversal: "Deep" },
    FolderShape: shape("Default"),
    ParentFolderIds: { DistinguishedFolderId: id("msgfolderroot") },
  });
  const names = many(message.RootFolder.Folders.Folder).map((folder) => folder.DisplayName);
  expect(["Inbox", "Projects", "2026"].every((name) => names.includes(name)), true, "names");
});

check("a list is paged without loss", async () => {
  const seen = new Set();
  for (let offset = 0; offset < INBOX_MAILS; offset += 25) {
    const page = await find(inbox, { MaxEntriesReturned: 25, Offset: offset, BasePoint: "Beginning" });
    many(page.Items.Message).forEach((item) => seen.add(item.ItemId.attributes.Id));
  }
  expect(seen.size, INBOX_MAILS, "items");
});

check("synchronisation tells every item", async () => {
  let [state, seen, last] = [undefined, 0, false];
  while (!last) {
    const request = { ItemShape: shape("IdOnly"), SyncFolderId: inbox };
    if (state) request.SyncState = state;
    request.MaxChangesReturned = 50;
    const message = await good("SyncFolderItems", request);
    seen += many(message.Changes && message.Changes.Create).length;
    [state, last] = [message.SyncState, String(message.IncludesLastItemInRange) === "true"];
  }
  expect(seen, INBOX_MAILS, "items");
});

check("an item is read with its MIME text", async () => {
  const first = many((await find(inbox)).Items.Message)[0];
  const message = await good("GetItem", {
    ItemShape: { BaseShape: "AllProperties", IncludeMimeContent: true },
    ItemIds: { ItemId: first.ItemId },
  });
  const item = message.Items.Message;
  const mime = item.MimeContent.$value || item.MimeContent;
  expect(Buffer.from(mime, "base64").toString().includes("Subject:"), true, "MIME text");
});

check("a draft is created", async () => {
  const message = await good("CreateItem", {
    attributes: { MessageDisposition: "SaveOnly" },
    SavedItemFolderId: drafts,
    Items: { Message: { Subject: "From node", Body: { attributes: { BodyType: "Text" }, $value: "Hi" } } },
  });
  draft = message.Items.Message.ItemId;
  expect(Boolean(draft.attributes.Id), true, "id");
});

check("a draft is changed", async () => {
  const message = await good("UpdateItem", {
    attributes: { ConflictResolution: "AlwaysOverwrite", MessageDisposition: "SaveOnly" },
    ItemChanges: {
      ItemChange: {
        ItemId: draft,
        Updates: {
          SetItemField: { FieldURI: { attributes: { FieldURI: "item:Subject" } }, Message: { Subject: "Changed" } },
        },
      },
    },
  });
  draft = message.Items.Message.ItemId;
  const items = many((await find(drafts)).Items.Message).map((item) => item.Subject);
  expect(items.includes("Changed"), true, "subject");
});

check("a draft moves into another folder", async () => {
  const message = await good("MoveItem", { ToFolderId: { DistinguishedFolderId: id("notes") }, ItemIds: { ItemId: draft } });
  draft = message.Items.Message.ItemId;
});

check("an attachment is added and read", async () => {
  const content = Buffer.from("hällo").toString("base64");
  const file = { Name: "näme.txt", Content: content };
  const made = await good("CreateAttachment", { ParentItemId: draft, Attachments: { FileAttachment: file } });
  const attachment = made.Attachments.FileAttachment.AttachmentId.attributes;
  const read = await good("GetAttachment", { AttachmentIds: { AttachmentId: id(attachment.Id) } });
  const told = read.Attachments.FileAttachment;
  expect([told.Name, told.Content.$value || told.Content], ["näme.txt", content], "name and content");
  draft = id(attachment.RootItemId);
});

check("folders are created, renamed and deleted", async () => {
  const made = await good("CreateFolder", {
    ParentFolderId: { DistinguishedFolderId: id("msgfolderroot") },
    Folders: { Folder: { DisplayName: "By node" } },
  });
  const folder = made.Folders.Folder.FolderId;
  const set = { FieldURI: { attributes: { FieldURI: "folder:DisplayName" } }, Folder: { DisplayName: "Renamed" } };
  await good("UpdateFolder", { FolderChanges: { FolderChange: { FolderId: folder, Updates: { SetFolderField: set } } } });
  const only = { FolderId: id(folder.attributes.Id) };
  const read = await good("GetFolder", { FolderShape: shape("Default"), FolderIds: only });
  expect(read.Folders.Folder.DisplayName, "Renamed", "name");
  await good("DeleteFolder", { attributes: { DeleteType: "HardDelete" }, FolderIds: only });
  const gone = await ask("GetFolder", { FolderShape: shape("IdOnly"), FolderIds: only });
  expect(gone.ResponseCode, "ErrorFolderNotFound", "answer");
});

check("an item is copied and the original stays", async () => {
  await good("CopyItem", { ToFolderId: { DistinguishedFolderId: id("drafts") }, ItemIds: { ItemId: draft } });
  await good("GetItem", { ItemShape: shape("IdOnly"), ItemIds: { ItemId: draft } });
});

check("an item is exported and put back", async () => {
  const exported = await good("ExportItems", { ItemIds: { ItemId: draft } });
  const folder = await good("GetFolder", { FolderShape: shape("IdOnly"), FolderIds: drafts });
  const message = await good("UploadItems", {
    Items: {
      Item: {
        attributes: { CreateAction: "CreateNew" },
        ParentFolderId: folder.Folders.Folder.FolderId,
        Data: exported.Data,
      },
    },
  });
  expect(Boolean(message.ItemId.attributes.Id), true, "id");
});

check("an item is deleted", async () => {
  await good("DeleteItem", { attributes: { DeleteType: "HardDelete" }, ItemIds: { ItemId: draft } });
  const message = await ask("GetItem", { ItemShape: shape("IdOnly"), ItemIds: { ItemId: draft } });
  expect(message.ResponseCode, "ErrorItemNotFound", "answer");
});

check("a name is resolved", async () => {
  const message = await good("ResolveNames", { attributes: { ReturnFullContactData: false }, UnresolvedEntry: "bob" });
  expect(message.ResolutionSet.Resolution.Mailbox.EmailAddress, BOB, "address");
});

check("a folder that is not there is refused", async () => {
  const message = await ask("GetFolder", { FolderShape: shape("IdOnly"), FolderIds: { FolderId: id("AAAA") } });
  expect(message.ResponseCode, "ErrorInvalidIdMalformed", "answer");
});

async function refused(action, word) {
  try {
    await action();
  } catch (error) {
    const text = `${error.message} ${error.body}`;
    if (!text.includes(word)) throw new Error(`refused with ${text.slice(0, 200)}`);
    return;
  }
  throw new Error("not refused");
}

check("a wrong password is refused", async () => {
  const request = { FolderShape: shape("IdOnly"), FolderIds: inbox };
  await refused(async () => ask("GetFolder", request, await connect(ALICE, "wrong")), "401");
});

check("impersonation is refused to whom it is not given", async () => {
  const impersonate = { "t:ExchangeImpersonation": { "t:ConnectingSID": { "t:PrimarySmtpAddress": ALICE } } };
  const request = { FolderShape: shape("IdOnly"), FolderIds: inbox };
  await refused(async () => ask("GetFolder", request, await connect(BOB), { ...header, ...impersonate }), "impersonate");
});

check("the service account impersonates a mailbox", async () => {
  const impersonate = { "t:ExchangeImpersonation": { "t:ConnectingSID": { "t:PrimarySmtpAddress": BOB } } };
  const request = { FolderShape: shape("Default"), FolderIds: inbox };
  const service = await connect("svc@example.test");
  const message = await ask("GetFolder", request, service, { ...header, ...impersonate });
  expect([message.ResponseCode, Number(message.Folders.Folder.TotalCount)], ["NoError", 1], "folder");
});

(async () => {
  let failures = 0;
  alice = await connect(ALICE);
  for (const { name, run } of checks) {
    try {
      await run();
      console.log(`ok    ${name}`);
    } catch (error) {
      failures += 1;
      console.log(`FAIL  ${name}: ${String(error.message || error).slice(0, 300)}`);
    }
  }
  console.log(`node-ews: ${checks.length - failures} of ${checks.length} checks passed`);
  process.exit(failures ? 1 : 0);
})();
