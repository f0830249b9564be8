// What the judge asks of Thunderbird, in its own words: runs in the program's privileged context, in
// front of each step. Everything here goes the way that the program's windows go.

const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const { MsgHdrToMimeMessage } = ChromeUtils.importESModule(
  "resource:///modules/gloda/MimeMessage.sys.mjs"
);
const PASSWORD_SIGN_IN = { basic: Ci.nsMsgAuthMethod.passwordCleartext, ntlm: Ci.nsMsgAuthMethod.NTLM };
const TRY_AGAIN_MS = 50;
const LONGEST_MS = 20000;

const mainWindow = Services.wm.getMostRecentWindow("mail:3pane");
const sleep = ms => new Promise(resolve => mainWindow.setTimeout(resolve, ms));

/** Waits until something is so, since the program tells of some things by nothing but their being so. */
async function until(isSo, what) {
  const end = Date.now() + LONGEST_MS;
  while (!isSo()) {
    if (Date.now() > end) {
      throw new Error(`waited in vain: ${what}`);
    }
    await sleep(TRY_AGAIN_MS);
  }
}

const inTime = (promise, what) =>
  Promise.race([
    promise,
    sleep(LONGEST_MS).then(() => {
      throw new Error(`no end: ${what}`);
    }),
  ]);

/** Hands a listener of the wanted kind to a call; the promise is of the status that it ends with. */
function listening(kind, call, what) {
  const ended = new Promise(resolve => {
    const stop = (...values) => resolve(values[values.length - 1]);
    const copy = {
      QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]),
      onStartCopy() {},
      onProgress() {},
      setMessageKey() {},
      getMessageId() {},
      onStopCopy: stop,
    };
    const url = {
      QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]),
      OnStartRunningUrl() {},
      OnStopRunningUrl: stop,
    };
    call(kind == "copy" ? copy : url);
  });
  return inTime(ended, what);
}

function accountServer(address) {
  const account = MailServices.accounts.accounts.find(
    one => one.incomingServer.type == "ews" && one.incomingServer.username == address
  );
  return account?.incomingServer;
}

/** An account as the assistant makes it; the password is known for this session alone. */
function makeAccount(address, url, password, way) {
  const server = MailServices.accounts.createIncomingServer(address, "127.0.0.1", "ews");
  server.authMethod = PASSWORD_SIGN_IN[way];
  server.password = password;
  server.setStringValue("ews_url", url);
  server.valid = true;
  const identity = MailServices.accounts.createIdentity();
  identity.email = address;
  identity.valid = true;
  const outgoing = MailServices.outgoingServer.createServer("ews");
  outgoing.QueryInterface(Ci.IExchangeOutgoingServer).initialize(url);
  outgoing.authMethod = PASSWORD_SIGN_IN[way];
  outgoing.username = address;
  outgoing.password = password;
  identity.smtpServerKey = outgoing.key;
  const account = MailServices.accounts.createAccount();
  account.addIdentity(identity);
  account.incomingServer = server;
  return account;
}

const signIn = server =>
  listening("url", listener => server.verifyLogon(listener, mainWindow.msgWindow), "signing in");

const alice = () => accountServer("alice@example.test");
const allFolders = () => alice().rootFolder.descendants;
const pathOf = folder => decodeURIComponent(folder.URI.slice(alice().serverURI.length + 1));
const paths = () => allFolders().map(pathOf).sort();
const isThere = path => paths().includes(path);

function folderAt(path) {
  const folder = allFolders().find(one => pathOf(one) == path);
  if (!folder) {
    throw new Error(`no folder ${path} among ${paths()}`);
  }
  return folder;
}

async function update(path) {
  const folder = folderAt(path);
  const status = await listening(
    "url",
    listener => folder.getNewMessages(mainWindow.msgWindow, listener),
    `new mail of ${path}`
  );
  if (status) {
    throw new Error(`new mail of ${path}: status ${status.toString(16)}`);
  }
  return folder;
}

const subjects = path => [...folderAt(path).messages].map(one => one.mime2DecodedSubject);
const headed = (path, subject) =>
  [...folderAt(path).messages].find(one => one.mime2DecodedSubject == subject);

function message(path, subject) {
  const found = headed(path, subject);
  if (!found) {
    throw new Error(`no mail "${subject}" in ${path}`);
  }
  return found;
}

/** The whole text of a mail, as the program would show it, in base64. */
function source(path, subject) {
  const uri = folderAt(path).getUriForMsg(message(path, subject));
  const pieces = [];
  const read = new Promise((resolve, reject) => {
    const listener = {
      QueryInterface: ChromeUtils.generateQI(["nsIStreamListener"]),
      onStartRequest() {},
      onDataAvailable(_request, stream, _offset, count) {
        const bytes = Cc["@mozilla.org/binaryinputstream;1"].createInstance(Ci.nsIBinaryInputStream);
        bytes.setInputStream(stream);
        pieces.push(bytes.readBytes(count));
      },
      onStopRequest(_request, status) {
        if (status) {
          reject(new Error(`reading "${subject}": status ${status.toString(16)}`));
        } else {
          resolve(btoa(pieces.join("")));
        }
      },
    };
    const service = MailServices.messageServiceFromURI(uri);
    service.streamMessage(uri, listener, null, null, false, "", false);
  });
  return inTime(read, `reading "${subject}"`);
}

const transfer = (from, subject, to, isMove) =>
  listening(
    "copy",
    listener =>
      MailServices.copy.copyMessages(
        folderAt(from),
        [message(from, subject)],
        folderAt(to),
        isMove,
        listener,
        mainWindow.msgWindow,
        false
      ),
    `"${subject}" to ${to}`
  );

const remove = (path, subject, isForGood) =>
  listening(
    "copy",
    listener =>
      folderAt(path).deleteMessages(
        [message(path, subject)],
        mainWindow.msgWindow,
        isForGood,
        false,
        listener,
        false
      ),
    `deleting "${subject}"`
  );
