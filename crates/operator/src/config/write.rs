//! A first configuration from a few answers.

/// What a new configuration is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// The set's name.
    pub name: String,
    /// The server's address.
    pub server: String,
    /// The account.
    pub user: String,
    /// Where the account's password is.
    pub password_file: String,
    /// Addresses, or `@FILE`; the account's own mailbox if empty.
    pub mailboxes: Vec<String>,
    /// The repository.
    pub repository: String,
    /// Where its passphrase is.
    pub passphrase_file: String,
    /// When to back up; only by hand if empty.
    pub schedule: String,
    /// The zone whose clock the schedule follows.
    pub time_zone: String,
    /// Who gets a mail when something is wrong, if anybody, and by which server and sender.
    pub mail: Option<(String, String, String)>,
}

/// Writes a configuration with comments, that says what can be added.
pub fn write_config(answers: &Answers) -> String {
    let Answers {
        name,
        server,
        user,
        password_file,
        repository,
        passphrase_file,
        ..
    } = answers;
    let name = key(name);
    let mut text = "# What postkeep backs up, where to, and when.\n\
         # `postkeep config check` finds mistakes; docs/configuration.md lists every setting.\n\n"
        .to_owned();
    if !answers.time_zone.is_empty() {
        text.push_str(&format!("time_zone = {}\n\n", quoted(&answers.time_zone)));
    }
    text.push_str(&format!(
        "[destinations.main]\nurl = {}\npassphrase_file = {}\n\n",
        quoted(repository),
        quoted(passphrase_file)
    ));
    text.push_str(&format!(
        "[sets.{name}]\nserver = {}\nuser = {}\npassword_file = {}\n",
        quoted(server),
        quoted(user),
        quoted(password_file)
    ));
    let mailboxes: Vec<_> = answers.mailboxes.iter().map(|text| quoted(text)).collect();
    if !mailboxes.is_empty() {
        text.push_str(&format!("mailboxes = [{}]\n", mailboxes.join(", ")));
    }
    text.push_str("destinations = [\"main\"]\n");
    if !answers.schedule.is_empty() {
        text.push_str(&format!(
            "schedule = {}\njitter = \"10m\"\ntarget_age = \"2d\"\n",
            quoted(&answers.schedule)
        ));
    }
    text.push_str(&format!(
        "\n[sets.{name}.check]\nschedule = \"monthly first sun 03:00\"\nread_data = true\n\
         \n[sets.{name}.retention]\nschedule = \"weekly sun 05:00\"\nkeep_within = \"30d\"\n\
         keep_weekly = 12\nkeep_monthly = 24\nkeep_yearly = 10\nkeep_deleted_items = \"1y\"\n\
         \n[sets.{name}.drill]\nschedule = \"monthly 15 12:00\"\n"
    ));
    if let Some((to, mail_server, from)) = &answers.mail {
        text.push_str(&format!(
            "\n[[notify]]\nwhen = \"warning\"\nmail = {{ to = {}, from = {}, server = {} }}\n",
            quoted(to),
            quoted(from),
            quoted(mail_server)
        ));
    }
    text
}

/// A name as a key of TOML: everything else becomes a dash.
fn key(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let key: String = name
        .chars()
        .take(64)
        .map(|c| if fits(c) { c } else { '-' })
        .collect();
    match key.as_str() {
        "" => "mail".to_owned(),
        _ => key,
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The values that take effect, as TOML. Where secrets are is in there, not what they are.
pub fn config_as_toml(config: &super::Config) -> String {
    toml::to_string(config).unwrap_or_else(|error| format!("# {error}\n"))
}
