//! The folders every mailbox knows by a fixed name.

use std::fmt;

macro_rules! distinguished_folders {
    ($($name:ident = $text:literal,)*) => {
        /// A folder by its language-independent name (`DistinguishedFolderIdNameType`,
        /// MS-OXWSCDATA 2.2.5.10).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[allow(missing_docs)] // the variants are the schema's names in CamelCase
        pub enum DistinguishedFolder {
            $($name,)*
        }

        impl DistinguishedFolder {
            /// Every name of the schema, in its order.
            pub const ALL: &'static [DistinguishedFolder] = &[$(DistinguishedFolder::$name,)*];

            /// The name as the schema spells it, in lower case.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(DistinguishedFolder::$name => $text,)*
                }
            }

            /// The folder of that name in any letter case; `None` for names the schema lacks.
            pub fn parse(text: &str) -> Option<DistinguishedFolder> {
                let text = text.trim();
                Self::ALL.iter().copied().find(|f| f.as_str().eq_ignore_ascii_case(text))
            }
        }
    };
}

impl fmt::Display for DistinguishedFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

distinguished_folders! {
    Calendar = "calendar",
    Contacts = "contacts",
    DeletedItems = "deleteditems",
    Drafts = "drafts",
    Inbox = "inbox",
    Journal = "journal",
    Notes = "notes",
    Outbox = "outbox",
    SentItems = "sentitems",
    Tasks = "tasks",
    MsgFolderRoot = "msgfolderroot",
    PublicFoldersRoot = "publicfoldersroot",
    Root = "root",
    JunkEmail = "junkemail",
    SearchFolders = "searchfolders",
    VoiceMail = "voicemail",
    RecoverableItemsRoot = "recoverableitemsroot",
    RecoverableItemsDeletions = "recoverableitemsdeletions",
    RecoverableItemsVersions = "recoverableitemsversions",
    RecoverableItemsPurges = "recoverableitemspurges",
    RecoverableItemsDiscoveryHolds = "recoverableitemsdiscoveryholds",
    ArchiveRoot = "archiveroot",
    ArchiveMsgFolderRoot = "archivemsgfolderroot",
    ArchiveDeletedItems = "archivedeleteditems",
    ArchiveInbox = "archiveinbox",
    ArchiveRecoverableItemsRoot = "archiverecoverableitemsroot",
    ArchiveRecoverableItemsDeletions = "archiverecoverableitemsdeletions",
    ArchiveRecoverableItemsVersions = "archiverecoverableitemsversions",
    ArchiveRecoverableItemsPurges = "archiverecoverableitemspurges",
    ArchiveRecoverableItemsDiscoveryHolds = "archiverecoverableitemsdiscoveryholds",
    SyncIssues = "syncissues",
    Conflicts = "conflicts",
    LocalFailures = "localfailures",
    ServerFailures = "serverfailures",
    RecipientCache = "recipientcache",
    QuickContacts = "quickcontacts",
    ConversationHistory = "conversationhistory",
    AdminAuditLogs = "adminauditlogs",
    ToDoSearch = "todosearch",
    MyContacts = "mycontacts",
    Directory = "directory",
    ImContactList = "imcontactlist",
    PeopleConnect = "peopleconnect",
    Favorites = "favorites",
    MeContact = "mecontact",
    PersonMetadata = "personmetadata",
    TeamSpaceActivity = "teamspaceactivity",
    TeamSpaceMessaging = "teamspacemessaging",
    TeamSpaceWorkItems = "teamspaceworkitems",
    Scheduled = "scheduled",
    OrionNotes = "orionnotes",
    TagItems = "tagitems",
    AllTaggedItems = "alltaggeditems",
    ExternalContacts = "externalcontacts",
    TeamChat = "teamchat",
    TeamChatHistory = "teamchathistory",
    YammerRoot = "yammerroot",
    YammerInbound = "yammerinbound",
    YammerOutbound = "yammeroutbound",
    YammerFeeds = "yammerfeeds",
    OneDriveRoot = "onedriveroot",
    OneDriveRecycleBin = "onedriverecylebin",
    OneDriveSystem = "onedrivesystem",
    OneDriveVolume = "onedrivevolume",
    Important = "important",
    Starred = "starred",
    Archive = "archive",
}
