//! The engine against the simulator over real HTTP, and real folders as destinations.

mod associated; // what folders hold beside the items users see
mod beside; // archives, recoverable items, public folders
mod choosing; // which mailboxes are meant, and what was never meant
mod concurrency; // requests in flight
mod copying; // into repositories with other keys
mod crossing; // other languages, people and mail domains
mod damage; // broken indexes, broken objects, wrong secrets
mod erasing; // one person's mail, and nothing left of it
mod exporting; // files without any server
mod faults; // a server that misbehaves
mod halfway; // batches that a server leaves half done
mod healing; // damaged packs, and where their bytes come back from
mod history; // versions of items, differences to the live mailbox, points in time
mod incremental; // what a second run downloads
mod kinds; // every kind of item, everywhere, there and back
mod machine; // a new machine with repository and passphrase alone
mod memory; // one huge item, very many small ones
mod model; // random histories against plain data
mod portable; // servers without ExportItems
mod public_folders; // contents in several mailboxes on several servers
mod reading_order; // what a restore reads of the repository
mod real_mail; // the corpus there and back
mod restore_modes; // what becomes of live items
mod restoring; // where things go, and never twice
mod retaining; // policies, kept items, holds
mod search_scan; // what a search finds, against a slow scan of exported files
mod searching; // what a search finds, in which snapshots, and how its index is kept
mod selecting; // which folders and items a backup and a restore take
mod settings; // permissions, delegates, rules and the like, there and back
mod signing_in; // passwords, tokens, certificates, proxies, Autodiscover
mod space; // what takes space, and what forgetting frees
mod throttling; // Exchange's own limits, in virtual time
mod undo; // recorded restores, taken back
mod world; // servers, vaults and short cuts the others use
