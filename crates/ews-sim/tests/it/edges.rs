//! What comes over HTTP and is no request, or no good one.

use ews_sim::Sim;

use crate::support::{ALICE, Bench, envelope, shared, validate_all};

const GET: &str = "<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>\
    <m:FolderIds><t:DistinguishedFolderId Id=\"inbox\"/></m:FolderIds></m:GetFolder>";

async fn bench() -> Bench {
    Bench::start(Sim::builder().mailbox(ALICE).build().unwrap()).await
}

#[tokio::test]
async fn methods_paths_and_kinds_of_body_get_the_status_that_exchange_gives() {
    let bench = bench().await;
    let url = bench.server.url().to_owned();
    let send = async |method: &str, url: &str, kind: &str, body: Vec<u8>| {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = bench
            .http()
            .request(method, url)
            .basic_auth(ALICE, Some("secret"));
        let request = match kind {
            "" => request,
            kind => request.header("content-type", kind),
        };
        let answer = request.body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.headers().clone())
    };
    let good = || envelope("", GET).into_bytes();
    let upper = url.replace("/EWS/Exchange.asmx", "/ews/EXCHANGE.ASMX");
    assert_eq!(send("POST", &upper, "text/xml", good()).await.0, 200);
    assert_eq!(send("POST", &url, "", good()).await.0, 415);
    assert_eq!(
        send("POST", &url, "application/soap+xml", good()).await.0,
        415
    );
    let (status, headers) = send("GET", &url, "", Vec::new()).await;
    assert_eq!(status, 200);
    assert!(
        headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    assert_eq!(send("HEAD", &url, "", Vec::new()).await.0, 200);
    for (method, status) in [("OPTIONS", 200), ("PUT", 405), ("DELETE", 405)] {
        let (found, headers) = send(method, &url, "", Vec::new()).await;
        assert_eq!(found, status, "{method}");
        assert!(headers["allow"].to_str().unwrap().contains("POST"));
    }
    let elsewhere = url.replace("Exchange.asmx", "Elsewhere.asmx");
    assert_eq!(send("POST", &elsewhere, "text/xml", good()).await.0, 404);
    let utf_16: Vec<u8> = format!("\u{feff}{}", envelope("", GET))
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(
        send("POST", &url, "text/xml; charset=utf-16", utf_16)
            .await
            .0,
        200
    );
}

#[tokio::test]
async fn what_is_no_request_gets_a_fault_and_never_an_end() {
    let bench = bench().await;
    let good = envelope("", GET);
    let mut faults = Vec::new();
    for bad in [
        String::new(),
        "no XML".to_owned(),
        good[..good.len() / 2].to_owned(),
        good.replace("2006/messages", "2006/massages"),
        good.replace(
            "schemas.xmlsoap.org/soap/envelope/",
            "www.w3.org/2003/05/soap-envelope",
        ),
        good.replace("GetFolder", "GetCastle"),
        good.replace(GET, ""),
        format!("<!DOCTYPE a [<!ENTITY b \"c\">]>{good}"),
        good.replace("inbox", "&nothing;"),
        "<a>".repeat(10_000),
    ] {
        let answer = bench.post(ALICE, bad.clone()).await;
        assert_eq!(answer.status, 500, "{bad}");
        assert!(
            answer.body.contains("ErrorSchemaValidation"),
            "{}",
            answer.body
        );
        faults.push(answer.body);
    }
    validate_all(&faults);
    let no_header = good.split_once("<s:Header>").unwrap().0.to_owned()
        + good.split_once("</s:Header>").unwrap().1;
    assert_eq!(bench.post(ALICE, no_header).await.status, 200);
}

#[tokio::test]
async fn the_description_is_served_from_the_folder_that_has_it() {
    let Some(schema) = shared("ews/schema") else {
        return;
    };
    let sim = Sim::builder()
        .mailbox(ALICE)
        .schema(&schema)
        .build()
        .unwrap();
    let bench = Bench::start(sim).await;
    for (name, file) in [
        ("Services.wsdl", "services.wsdl"),
        ("messages.xsd", "messages.xsd"),
        ("types.xsd", "types.xsd"),
    ] {
        let url = bench.server.url().replace("Exchange.asmx", name);
        let anonymous = bench.http().get(&url).send().await.unwrap();
        assert_eq!(anonymous.status(), 401);
        let answer = bench
            .http()
            .get(&url)
            .basic_auth(ALICE, Some("secret"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(
            answer.bytes().await.unwrap(),
            std::fs::read(schema.join(file)).unwrap()
        );
    }
    let without = self::bench().await;
    let url = without
        .server
        .url()
        .replace("Exchange.asmx", "Services.wsdl");
    let answer = without
        .http()
        .get(url)
        .basic_auth(ALICE, Some("secret"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 404);
}
