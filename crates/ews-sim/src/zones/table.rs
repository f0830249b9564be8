//! The time zones of Windows, from west to east, with those of the tz database that they stand for
//! (Unicode CLDR, windowsZones).
// tidy: table

/// Windows' name, what people see, and the tz database's name.
pub(crate) const ZONES: &[(&str, &str, &str)] = &[
    (
        "Dateline Standard Time",
        "(UTC-12:00) International Date Line West",
        "Etc/GMT+12",
    ),
    (
        "UTC-11",
        "(UTC-11:00) Coordinated Universal Time-11",
        "Etc/GMT+11",
    ),
    ("Aleutian Standard Time", "(UTC-10:00) Adak", "America/Adak"),
    (
        "Hawaiian Standard Time",
        "(UTC-10:00) Hawaii",
        "Pacific/Honolulu",
    ),
    (
        "Marquesas Standard Time",
        "(UTC-09:30) Marquesas",
        "Pacific/Marquesas",
    ),
    (
        "Alaskan Standard Time",
        "(UTC-09:00) Alaska",
        "America/Anchorage",
    ),
    (
        "UTC-09",
        "(UTC-09:00) Coordinated Universal Time-09",
        "Etc/GMT+9",
    ),
    (
        "Pacific Standard Time",
        "(UTC-08:00) Pacific Time (US & Canada)",
        "America/Los_Angeles",
    ),
    (
        "Pacific Standard Time (Mexico)",
        "(UTC-08:00) Tijuana",
        "America/Tijuana",
    ),
    (
        "UTC-08",
        "(UTC-08:00) Coordinated Universal Time-08",
        "Etc/GMT+8",
    ),
    (
        "Mountain Standard Time",
        "(UTC-07:00) Mountain Time (US & Canada)",
        "America/Denver",
    ),
    (
        "Mountain Standard Time (Mexico)",
        "(UTC-07:00) Mazatlan",
        "America/Mazatlan",
    ),
    (
        "US Mountain Standard Time",
        "(UTC-07:00) Arizona",
        "America/Phoenix",
    ),
    (
        "Yukon Standard Time",
        "(UTC-07:00) Whitehorse",
        "America/Whitehorse",
    ),
    (
        "Canada Central Standard Time",
        "(UTC-06:00) Regina",
        "America/Regina",
    ),
    (
        "Central America Standard Time",
        "(UTC-06:00) Central America",
        "America/Guatemala",
    ),
    (
        "Central Standard Time",
        "(UTC-06:00) Central Time (US & Canada)",
        "America/Chicago",
    ),
    (
        "Central Standard Time (Mexico)",
        "(UTC-06:00) Mexico City",
        "America/Mexico_City",
    ),
    (
        "Easter Island Standard Time",
        "(UTC-06:00) Easter",
        "Pacific/Easter",
    ),
    ("Cuba Standard Time", "(UTC-05:00) Havana", "America/Havana"),
    (
        "Eastern Standard Time",
        "(UTC-05:00) Eastern Time (US & Canada)",
        "America/New_York",
    ),
    (
        "Eastern Standard Time (Mexico)",
        "(UTC-05:00) Cancun",
        "America/Cancun",
    ),
    (
        "Haiti Standard Time",
        "(UTC-05:00) Port-au-Prince",
        "America/Port-au-Prince",
    ),
    (
        "SA Pacific Standard Time",
        "(UTC-05:00) Bogota, Lima, Quito, Rio Branco",
        "America/Bogota",
    ),
    (
        "Turks And Caicos Standard Time",
        "(UTC-05:00) Grand Turk",
        "America/Grand_Turk",
    ),
    (
        "US Eastern Standard Time",
        "(UTC-05:00) Indianapolis",
        "America/Indianapolis",
    ),
    (
        "Atlantic Standard Time",
        "(UTC-04:00) Atlantic Time (Canada)",
        "America/Halifax",
    ),
    (
        "Central Brazilian Standard Time",
        "(UTC-04:00) Cuiaba",
        "America/Cuiaba",
    ),
    (
        "Pacific SA Standard Time",
        "(UTC-04:00) Santiago",
        "America/Santiago",
    ),
    (
        "SA Western Standard Time",
        "(UTC-04:00) La Paz",
        "America/La_Paz",
    ),
    (
        "Venezuela Standard Time",
        "(UTC-04:00) Caracas",
        "America/Caracas",
    ),
    (
        "Newfoundland Standard Time",
        "(UTC-03:30) Newfoundland",
        "America/St_Johns",
    ),
    (
        "Argentina Standard Time",
        "(UTC-03:00) City of Buenos Aires",
        "America/Argentina/Buenos_Aires",
    ),
    ("Bahia Standard Time", "(UTC-03:00) Bahia", "America/Bahia"),
    (
        "E. South America Standard Time",
        "(UTC-03:00) Brasilia",
        "America/Sao_Paulo",
    ),
    (
        "Magallanes Standard Time",
        "(UTC-03:00) Punta Arenas",
        "America/Punta_Arenas",
    ),
    (
        "Montevideo Standard Time",
        "(UTC-03:00) Montevideo",
        "America/Montevideo",
    ),
    (
        "Paraguay Standard Time",
        "(UTC-03:00) Asuncion",
        "America/Asuncion",
    ),
    (
        "SA Eastern Standard Time",
        "(UTC-03:00) Cayenne",
        "America/Cayenne",
    ),
    (
        "Saint Pierre Standard Time",
        "(UTC-03:00) Miquelon",
        "America/Miquelon",
    ),
    (
        "Tocantins Standard Time",
        "(UTC-03:00) Araguaina",
        "America/Araguaina",
    ),
    (
        "Greenland Standard Time",
        "(UTC-02:00) Godthab",
        "America/Godthab",
    ),
    (
        "UTC-02",
        "(UTC-02:00) Coordinated Universal Time-02",
        "Etc/GMT+2",
    ),
    (
        "Azores Standard Time",
        "(UTC-01:00) Azores",
        "Atlantic/Azores",
    ),
    (
        "Cape Verde Standard Time",
        "(UTC-01:00) Cape Verde",
        "Atlantic/Cape_Verde",
    ),
    (
        "GMT Standard Time",
        "(UTC+00:00) Dublin, Edinburgh, Lisbon, London",
        "Europe/London",
    ),
    (
        "Greenwich Standard Time",
        "(UTC+00:00) Monrovia, Reykjavik",
        "Atlantic/Reykjavik",
    ),
    (
        "Sao Tome Standard Time",
        "(UTC+00:00) Sao Tome",
        "Africa/Sao_Tome",
    ),
    ("UTC", "(UTC) Coordinated Universal Time", "UTC"),
    (
        "Central Europe Standard Time",
        "(UTC+01:00) Belgrade, Bratislava, Budapest, Ljubljana, Prague",
        "Europe/Budapest",
    ),
    (
        "Central European Standard Time",
        "(UTC+01:00) Sarajevo, Skopje, Warsaw, Zagreb",
        "Europe/Warsaw",
    ),
    (
        "Morocco Standard Time",
        "(UTC+01:00) Casablanca",
        "Africa/Casablanca",
    ),
    (
        "Romance Standard Time",
        "(UTC+01:00) Brussels, Copenhagen, Madrid, Paris",
        "Europe/Paris",
    ),
    (
        "W. Central Africa Standard Time",
        "(UTC+01:00) West Central Africa",
        "Africa/Lagos",
    ),
    (
        "W. Europe Standard Time",
        "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna",
        "Europe/Berlin",
    ),
    (
        "E. Europe Standard Time",
        "(UTC+02:00) Chisinau",
        "Europe/Chisinau",
    ),
    ("Egypt Standard Time", "(UTC+02:00) Cairo", "Africa/Cairo"),
    (
        "FLE Standard Time",
        "(UTC+02:00) Helsinki, Kyiv, Riga, Sofia, Tallinn, Vilnius",
        "Europe/Kiev",
    ),
    (
        "GTB Standard Time",
        "(UTC+02:00) Athens, Bucharest",
        "Europe/Bucharest",
    ),
    (
        "Israel Standard Time",
        "(UTC+02:00) Jerusalem",
        "Asia/Jerusalem",
    ),
    (
        "Kaliningrad Standard Time",
        "(UTC+02:00) Kaliningrad",
        "Europe/Kaliningrad",
    ),
    (
        "Libya Standard Time",
        "(UTC+02:00) Tripoli",
        "Africa/Tripoli",
    ),
    (
        "Middle East Standard Time",
        "(UTC+02:00) Beirut",
        "Asia/Beirut",
    ),
    (
        "Namibia Standard Time",
        "(UTC+02:00) Windhoek",
        "Africa/Windhoek",
    ),
    (
        "South Africa Standard Time",
        "(UTC+02:00) Harare, Pretoria",
        "Africa/Johannesburg",
    ),
    (
        "South Sudan Standard Time",
        "(UTC+02:00) Juba",
        "Africa/Juba",
    ),
    (
        "Sudan Standard Time",
        "(UTC+02:00) Khartoum",
        "Africa/Khartoum",
    ),
    (
        "West Bank Standard Time",
        "(UTC+02:00) Hebron",
        "Asia/Hebron",
    ),
    (
        "Arab Standard Time",
        "(UTC+03:00) Kuwait, Riyadh",
        "Asia/Riyadh",
    ),
    (
        "Arabic Standard Time",
        "(UTC+03:00) Baghdad",
        "Asia/Baghdad",
    ),
    ("Belarus Standard Time", "(UTC+03:00) Minsk", "Europe/Minsk"),
    (
        "E. Africa Standard Time",
        "(UTC+03:00) Nairobi",
        "Africa/Nairobi",
    ),
    ("Jordan Standard Time", "(UTC+03:00) Amman", "Asia/Amman"),
    (
        "Russian Standard Time",
        "(UTC+03:00) Moscow, St. Petersburg",
        "Europe/Moscow",
    ),
    (
        "Syria Standard Time",
        "(UTC+03:00) Damascus",
        "Asia/Damascus",
    ),
    (
        "Turkey Standard Time",
        "(UTC+03:00) Istanbul",
        "Europe/Istanbul",
    ),
    (
        "Volgograd Standard Time",
        "(UTC+03:00) Volgograd",
        "Europe/Volgograd",
    ),
    ("Iran Standard Time", "(UTC+03:30) Tehran", "Asia/Tehran"),
    (
        "Arabian Standard Time",
        "(UTC+04:00) Abu Dhabi, Muscat",
        "Asia/Dubai",
    ),
    (
        "Astrakhan Standard Time",
        "(UTC+04:00) Astrakhan",
        "Europe/Astrakhan",
    ),
    ("Azerbaijan Standard Time", "(UTC+04:00) Baku", "Asia/Baku"),
    (
        "Caucasus Standard Time",
        "(UTC+04:00) Yerevan",
        "Asia/Yerevan",
    ),
    (
        "Georgian Standard Time",
        "(UTC+04:00) Tbilisi",
        "Asia/Tbilisi",
    ),
    (
        "Mauritius Standard Time",
        "(UTC+04:00) Mauritius",
        "Indian/Mauritius",
    ),
    ("Russia Time Zone 3", "(UTC+04:00) Samara", "Europe/Samara"),
    (
        "Saratov Standard Time",
        "(UTC+04:00) Saratov",
        "Europe/Saratov",
    ),
    (
        "Afghanistan Standard Time",
        "(UTC+04:30) Kabul",
        "Asia/Kabul",
    ),
    (
        "Ekaterinburg Standard Time",
        "(UTC+05:00) Yekaterinburg",
        "Asia/Yekaterinburg",
    ),
    (
        "Pakistan Standard Time",
        "(UTC+05:00) Karachi",
        "Asia/Karachi",
    ),
    (
        "Qyzylorda Standard Time",
        "(UTC+05:00) Qyzylorda",
        "Asia/Qyzylorda",
    ),
    (
        "West Asia Standard Time",
        "(UTC+05:00) Tashkent",
        "Asia/Tashkent",
    ),
    (
        "India Standard Time",
        "(UTC+05:30) Chennai, Kolkata, Mumbai, New Delhi",
        "Asia/Kolkata",
    ),
    (
        "Sri Lanka Standard Time",
        "(UTC+05:30) Colombo",
        "Asia/Colombo",
    ),
    (
        "Nepal Standard Time",
        "(UTC+05:45) Katmandu",
        "Asia/Katmandu",
    ),
    (
        "Bangladesh Standard Time",
        "(UTC+06:00) Dhaka",
        "Asia/Dhaka",
    ),
    (
        "Central Asia Standard Time",
        "(UTC+06:00) Bishkek",
        "Asia/Bishkek",
    ),
    ("Omsk Standard Time", "(UTC+06:00) Omsk", "Asia/Omsk"),
    (
        "Myanmar Standard Time",
        "(UTC+06:30) Rangoon",
        "Asia/Rangoon",
    ),
    ("Altai Standard Time", "(UTC+07:00) Barnaul", "Asia/Barnaul"),
    (
        "N. Central Asia Standard Time",
        "(UTC+07:00) Novosibirsk",
        "Asia/Novosibirsk",
    ),
    (
        "North Asia Standard Time",
        "(UTC+07:00) Krasnoyarsk",
        "Asia/Krasnoyarsk",
    ),
    (
        "SE Asia Standard Time",
        "(UTC+07:00) Bangkok, Hanoi, Jakarta",
        "Asia/Bangkok",
    ),
    ("Tomsk Standard Time", "(UTC+07:00) Tomsk", "Asia/Tomsk"),
    ("W. Mongolia Standard Time", "(UTC+07:00) Hovd", "Asia/Hovd"),
    (
        "China Standard Time",
        "(UTC+08:00) Beijing, Chongqing, Hong Kong, Urumqi",
        "Asia/Shanghai",
    ),
    (
        "North Asia East Standard Time",
        "(UTC+08:00) Irkutsk",
        "Asia/Irkutsk",
    ),
    (
        "Singapore Standard Time",
        "(UTC+08:00) Kuala Lumpur, Singapore",
        "Asia/Singapore",
    ),
    ("Taipei Standard Time", "(UTC+08:00) Taipei", "Asia/Taipei"),
    (
        "Ulaanbaatar Standard Time",
        "(UTC+08:00) Ulaanbaatar",
        "Asia/Ulaanbaatar",
    ),
    (
        "W. Australia Standard Time",
        "(UTC+08:00) Perth",
        "Australia/Perth",
    ),
    (
        "Aus Central W. Standard Time",
        "(UTC+08:45) Eucla",
        "Australia/Eucla",
    ),
    ("Korea Standard Time", "(UTC+09:00) Seoul", "Asia/Seoul"),
    (
        "North Korea Standard Time",
        "(UTC+09:00) Pyongyang",
        "Asia/Pyongyang",
    ),
    (
        "Tokyo Standard Time",
        "(UTC+09:00) Osaka, Sapporo, Tokyo",
        "Asia/Tokyo",
    ),
    (
        "Transbaikal Standard Time",
        "(UTC+09:00) Chita",
        "Asia/Chita",
    ),
    (
        "Yakutsk Standard Time",
        "(UTC+09:00) Yakutsk",
        "Asia/Yakutsk",
    ),
    (
        "AUS Central Standard Time",
        "(UTC+09:30) Darwin",
        "Australia/Darwin",
    ),
    (
        "Cen. Australia Standard Time",
        "(UTC+09:30) Adelaide",
        "Australia/Adelaide",
    ),
    (
        "AUS Eastern Standard Time",
        "(UTC+10:00) Canberra, Melbourne, Sydney",
        "Australia/Sydney",
    ),
    (
        "E. Australia Standard Time",
        "(UTC+10:00) Brisbane",
        "Australia/Brisbane",
    ),
    (
        "Tasmania Standard Time",
        "(UTC+10:00) Hobart",
        "Australia/Hobart",
    ),
    (
        "Vladivostok Standard Time",
        "(UTC+10:00) Vladivostok",
        "Asia/Vladivostok",
    ),
    (
        "West Pacific Standard Time",
        "(UTC+10:00) Port Moresby",
        "Pacific/Port_Moresby",
    ),
    (
        "Lord Howe Standard Time",
        "(UTC+10:30) Lord Howe",
        "Australia/Lord_Howe",
    ),
    (
        "Bougainville Standard Time",
        "(UTC+11:00) Bougainville",
        "Pacific/Bougainville",
    ),
    (
        "Central Pacific Standard Time",
        "(UTC+11:00) Guadalcanal",
        "Pacific/Guadalcanal",
    ),
    (
        "Magadan Standard Time",
        "(UTC+11:00) Magadan",
        "Asia/Magadan",
    ),
    (
        "Norfolk Standard Time",
        "(UTC+11:00) Norfolk",
        "Pacific/Norfolk",
    ),
    (
        "Russia Time Zone 10",
        "(UTC+11:00) Srednekolymsk",
        "Asia/Srednekolymsk",
    ),
    (
        "Sakhalin Standard Time",
        "(UTC+11:00) Sakhalin",
        "Asia/Sakhalin",
    ),
    ("Fiji Standard Time", "(UTC+12:00) Fiji", "Pacific/Fiji"),
    (
        "New Zealand Standard Time",
        "(UTC+12:00) Auckland, Wellington",
        "Pacific/Auckland",
    ),
    (
        "Russia Time Zone 11",
        "(UTC+12:00) Kamchatka",
        "Asia/Kamchatka",
    ),
    (
        "UTC+12",
        "(UTC+12:00) Coordinated Universal Time+12",
        "Etc/GMT-12",
    ),
    (
        "Chatham Islands Standard Time",
        "(UTC+12:45) Chatham",
        "Pacific/Chatham",
    ),
    ("Samoa Standard Time", "(UTC+13:00) Apia", "Pacific/Apia"),
    (
        "Tonga Standard Time",
        "(UTC+13:00) Tongatapu",
        "Pacific/Tongatapu",
    ),
    (
        "UTC+13",
        "(UTC+13:00) Coordinated Universal Time+13",
        "Etc/GMT-13",
    ),
    (
        "Line Islands Standard Time",
        "(UTC+14:00) Kiritimati",
        "Pacific/Kiritimati",
    ),
];
