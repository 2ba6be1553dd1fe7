use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::http::Patience;
use super::*;

const KEY: &str = "R0UT1NGKEYR0UT1NGKEYR0UT1NGKEY12";

fn finding(urn: &str, id: &str, kind: Kind, fields: &[&str]) -> Finding {
    let fields = fields.iter().map(|f| (*f).to_owned()).collect();
    Finding { urn: urn.to_owned(), type_name: "aws:ec2:Vpc".to_owned(), id: id.to_owned(), kind, fields }
}

fn report() -> Report {
    Report {
        project: "platform".into(),
        stack: "dev".into(),
        drifted: vec![
            finding("urn:phx:platform:dev:aws:ec2:Vpc:main", "vpc-1", Kind::Changed, &["tags.Owner", "enable_dns"]),
            finding("urn:phx:platform:dev:aws:ec2:Vpc:old", "vpc-2", Kind::Missing, &[]),
            finding("", "arn:aws:ec2:::vpc/<!channel>", Kind::Orphan, &[]),
        ],
        checked: 12,
        error: None,
        time: "2026-11-23T08:00:00Z".parse().unwrap(),
    }
}

fn clean() -> Report {
    Report { drifted: vec![], ..report() }
}

fn failed() -> Report {
    Report { error: Some("\u{1b}[31merror:\u{1b}[0m AccessDenied\u{7}".into()), ..clean() }
}

/// An environment without anything.
fn none(_: &str) -> Result<Option<String>, String> {
    Ok(None)
}

fn target(url: &str) -> Target {
    parse_with(url, &none).unwrap()
}

fn pretty(body: &[u8]) -> String {
    serde_json::to_string_pretty(&serde_json::from_slice::<serde_json::Value>(body).unwrap()).unwrap()
}

fn event(report: &Report) -> String {
    let Place::PagerDuty(service) = target(&format!("pagerduty://{KEY}")).0 else { panic!() };
    pretty(&service.event(report).unwrap())
}

#[test]
fn targets_are_told_without_their_keys() {
    let signed = |name: &str| {
        Ok(match name {
            "PHX_PAGERDUTY_KEY" => Some(KEY.to_owned()),
            "PHX_SLACK_URL" => Some("https://hooks.slack.com/services/T0/B0/SECRET".to_owned()),
            _ => None,
        })
    };
    let shown = |url: &str| {
        let target = parse_with(url, &signed).unwrap();
        assert_eq!(format!("{target:?}"), format!("Target({target})"));
        target.to_string()
    };
    assert_eq!(shown("pagerduty:"), "PagerDuty");
    assert_eq!(shown("pagerduty://SECRET"), "PagerDuty");
    assert_eq!(shown("pagerduty://SECRET/?endpoint=http://127.0.0.1:1/x"), "PagerDuty at http://127.0.0.1:1");
    assert_eq!(shown("slack:"), "Slack at https://hooks.slack.com");
    assert_eq!(shown("slack:http://chat.internal/hooks/SECRET"), "Slack at http://chat.internal");
    assert_eq!(shown("https://example.com/SECRET?SECRET"), "the webhook at https://example.com");
    let arn = "arn:aws:sns:us-west-2:123456789012:alerts";
    assert_eq!(shown(arn), format!("the SNS topic {arn}"));
    assert_eq!(shown(&format!("sns:{arn}")), format!("the SNS topic {arn}"));
    // They read alike and are two.
    assert_ne!(target("https://example.com/a"), target("https://example.com/b"));
}

#[test]
fn a_wrong_target_is_refused_without_being_repeated() {
    let error = |url: &str| {
        let error = parse_with(url, &none).unwrap_err();
        assert!(!error.contains("SECRET"), "{url}: {error}");
        error
    };
    for url in [
        "",
        "SECRET",
        "SECRET:x",
        "slack://hooks.slack.com/SECRET",
        "slack:SECRET",
        "https://user:SECRET@example.com/",
        "https:SECRET",
        "arn:aws:sqs:SECRET",
        "sns:SECRET",
        "pagerduty://SECRET key",
        "pagerduty://SECRET?region=SECRET",
        "pagerduty://SECRET?endpoint=SECRET",
    ] {
        assert!(error(url).starts_with("--notify"), "{url}");
    }
    insta::assert_snapshot!(error("pagerduty:"), @r"
    --notify pagerduty: no routing key
      hint: set PHX_PAGERDUTY_KEY, or write pagerduty://KEY
    ");
    insta::assert_snapshot!(error("slack:"), @r"
    --notify slack: no URL
      hint: set PHX_SLACK_URL, or write slack:https://hooks.slack.com/…
    ");
    let garbled = |_: &str| Err("PHX_WEBHOOK_SECRET is not valid UTF-8".to_owned());
    assert!(parse_with("https://example.com/", &garbled).is_err());
}

#[test]
fn the_command_line_does_not_repeat_it_either() {
    let notify = clap::Arg::new("notify").long("notify").value_parser(UrlParser);
    let command = clap::Command::new("phx").arg(notify);
    let parse = |url: &str| command.clone().try_get_matches_from(["phx", "--notify", url]);
    let mut good = parse("slack:https://hooks.slack.com/SECRET").unwrap();
    assert_eq!(good.remove_one::<Target>("notify"), Some(target("slack:https://hooks.slack.com/SECRET")));
    let error = parse("slack:SECRET").unwrap_err();
    assert!(error.use_stderr());
    insta::assert_snapshot!(error, @r"
    error: --notify slack: this is not a URL over HTTP; expected https://HOST/…
      hint: write slack:https://hooks.slack.com/…

    Usage: phx [OPTIONS]

    For more information, try '--help'.
    ");
}

#[test]
fn fields_are_named_without_the_members_of_sets() {
    for (path, field) in [
        ("tags.Owner", "tags.Owner"),
        ("rules[0].status", "rules[0].status"),
        ("groups[sg-1]", "groups"),
        ("ports[8443]", "ports"),
        ("rules[12].members[ops@example.com]", "rules[12].members"),
        ("members[a]b].c]", "members"),
        ("odd[", "odd"),
    ] {
        assert_eq!(fields([path]), [field]);
    }
    // What one set has lost and gained is one field.
    assert_eq!(fields(["groups[sg-1]", "groups[sg-2]", "name"]), ["groups", "name"]);
}

#[test]
fn drift_opens_an_incident() {
    insta::assert_snapshot!(event(&report()), @r#"
    {
      "client": "phx",
      "dedup_key": "phx-drift/platform/dev",
      "event_action": "trigger",
      "payload": {
        "class": "drift",
        "component": "dev",
        "custom_details": {
          "checked": 12,
          "drifted": "~ urn:phx:platform:dev:aws:ec2:Vpc:main changed: tags.Owner, enable_dns\n- urn:phx:platform:dev:aws:ec2:Vpc:old missing\n? arn:aws:ec2:::vpc/<!channel> in no state"
        },
        "group": "platform",
        "severity": "warning",
        "source": "platform/dev",
        "summary": "phx: platform/dev has drifted: 1 changed, 1 missing, 1 orphan",
        "timestamp": "2026-11-23T08:00:00Z"
      },
      "routing_key": "R0UT1NGKEYR0UT1NGKEYR0UT1NGKEY12"
    }
    "#);
}

#[test]
fn a_failed_look_opens_it_too_and_a_clean_one_closes_it() {
    insta::assert_snapshot!(event(&failed()), @r#"
    {
      "client": "phx",
      "dedup_key": "phx-drift/platform/dev",
      "event_action": "trigger",
      "payload": {
        "class": "drift",
        "component": "dev",
        "custom_details": {
          "checked": 12,
          "error": "error: AccessDenied"
        },
        "group": "platform",
        "severity": "error",
        "source": "platform/dev",
        "summary": "phx: platform/dev could not be checked for drift",
        "timestamp": "2026-11-23T08:00:00Z"
      },
      "routing_key": "R0UT1NGKEYR0UT1NGKEYR0UT1NGKEY12"
    }
    "#);
    insta::assert_snapshot!(event(&clean()), @r#"
    {
      "dedup_key": "phx-drift/platform/dev",
      "event_action": "resolve",
      "routing_key": "R0UT1NGKEYR0UT1NGKEYR0UT1NGKEY12"
    }
    "#);
}

#[test]
fn slack_reads_it_as_blocks() {
    insta::assert_snapshot!(pretty(&slack::message(&report()).unwrap()), @r#"
    {
      "blocks": [
        {
          "text": {
            "text": "*phx: platform/dev has drifted: 1 changed, 1 missing, 1 orphan*",
            "type": "mrkdwn"
          },
          "type": "section"
        },
        {
          "text": {
            "text": "~ urn:phx:platform:dev:aws:ec2:Vpc:main changed: tags.Owner, enable_dns\n- urn:phx:platform:dev:aws:ec2:Vpc:old missing\n? arn:aws:ec2:::vpc/&lt;!channel&gt; in no state",
            "type": "mrkdwn"
          },
          "type": "section"
        },
        {
          "elements": [
            {
              "text": "12 checked · 2026-11-23T08:00:00Z",
              "type": "mrkdwn"
            }
          ],
          "type": "context"
        }
      ],
      "text": "phx: platform/dev has drifted: 1 changed, 1 missing, 1 orphan\n~ urn:phx:platform:dev:aws:ec2:Vpc:main changed: tags.Owner, enable_dns\n- urn:phx:platform:dev:aws:ec2:Vpc:old missing\n? arn:aws:ec2:::vpc/&lt;!channel&gt; in no state"
    }
    "#);
    insta::assert_snapshot!(pretty(&slack::message(&failed()).unwrap()), @r#"
    {
      "blocks": [
        {
          "text": {
            "text": "*phx: platform/dev could not be checked for drift*",
            "type": "mrkdwn"
          },
          "type": "section"
        },
        {
          "text": {
            "text": "error: AccessDenied",
            "type": "mrkdwn"
          },
          "type": "section"
        },
        {
          "elements": [
            {
              "text": "12 checked · 2026-11-23T08:00:00Z",
              "type": "mrkdwn"
            }
          ],
          "type": "context"
        }
      ],
      "text": "phx: platform/dev could not be checked for drift\nerror: AccessDenied"
    }
    "#);
}

#[test]
fn a_webhook_gets_the_whole_report() {
    insta::assert_snapshot!(pretty(&webhook::document(&report()).unwrap()), @r#"
    {
      "checked": 12,
      "drifted": [
        {
          "fields": [
            "tags.Owner",
            "enable_dns"
          ],
          "id": "vpc-1",
          "kind": "changed",
          "type": "aws:ec2:Vpc",
          "urn": "urn:phx:platform:dev:aws:ec2:Vpc:main"
        },
        {
          "fields": [],
          "id": "vpc-2",
          "kind": "missing",
          "type": "aws:ec2:Vpc",
          "urn": "urn:phx:platform:dev:aws:ec2:Vpc:old"
        },
        {
          "fields": [],
          "id": "arn:aws:ec2:::vpc/<!channel>",
          "kind": "orphan",
          "type": "aws:ec2:Vpc",
          "urn": ""
        }
      ],
      "error": null,
      "event": "phx.drift",
      "project": "platform",
      "stack": "dev",
      "status": "drifted",
      "time": "2026-11-23T08:00:00Z"
    }
    "#);
}

#[test]
fn a_topic_gets_a_text() {
    insta::assert_snapshot!(sns::text(&report()), @r"
    phx: platform/dev has drifted: 1 changed, 1 missing, 1 orphan

    ~ urn:phx:platform:dev:aws:ec2:Vpc:main changed: tags.Owner, enable_dns
    - urn:phx:platform:dev:aws:ec2:Vpc:old missing
    ? arn:aws:ec2:::vpc/<!channel> in no state

    12 checked at 2026-11-23T08:00:00Z
    ");
    let both = Report { error: failed().error, ..report() };
    insta::assert_snapshot!(sns::text(&both), @r"
    phx: platform/dev has drifted: 1 changed, 1 missing, 1 orphan; not all of it could be checked

    ~ urn:phx:platform:dev:aws:ec2:Vpc:main changed: tags.Owner, enable_dns
    - urn:phx:platform:dev:aws:ec2:Vpc:old missing
    ? arn:aws:ec2:::vpc/<!channel> in no state

    error: AccessDenied

    12 checked at 2026-11-23T08:00:00Z
    ");
}

#[test]
fn a_long_report_is_cut_to_what_is_taken() {
    let one = |n: usize| finding(&format!("urn:{n}:{}", "ä<".repeat(600)), "x", Kind::Changed, &["f"; 50]);
    let long = Report {
        drifted: (0..100_000).map(one).collect(),
        error: Some("<&>".repeat(5_000)),
        project: "p".repeat(2_000),
        ..report()
    };
    let slack: serde_json::Value = serde_json::from_slice(&slack::message(&long).unwrap()).unwrap();
    for block in slack["blocks"].as_array().unwrap().iter().filter(|b| b["type"] == "section") {
        let text = block["text"]["text"].as_str().unwrap();
        assert!(text.chars().count() <= 3_000 && !text.contains("<ä"), "{}", text.len());
    }
    assert!(slack["text"].as_str().unwrap().ends_with('…'));
    let event: serde_json::Value = serde_json::from_str(&event(&long)).unwrap();
    assert!(event["payload"]["summary"].as_str().unwrap().len() <= 1_024);
    assert!(event["dedup_key"].as_str().unwrap().len() <= 255);
    assert!(event.to_string().len() < 100_000);
    assert!(sns::text(&long).len() < 200_000);
    assert!(sns::text(&long).contains("and 999"), "it says how many are left out");
}

#[test]
fn a_signature_is_the_hmac_of_time_and_body() {
    // RFC 4231, test cases 1, 2 and 6.
    let hex_hmac = |key: &[u8], parts: &[&[u8]]| hex::encode(webhook::hmac(key, parts).unwrap());
    let hi = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
    assert_eq!(hex_hmac(&[0x0b; 20], &[b"Hi ", b"There"]), hi);
    let jefe = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(hex_hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"]), jefe);
    let long_key = "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54";
    assert_eq!(hex_hmac(&[0xaa; 131], &[b"Test Using Larger Than Block-Size Key - Hash Key First"]), long_key);

    let secret = |name: &str| Ok((name == "PHX_WEBHOOK_SECRET").then(|| "swordfish".to_owned()));
    let Place::Webhook(hook) = parse_with("https://example.com/x", &secret).unwrap().0 else { panic!() };
    let headers = hook.headers(&report(), br#"{"a":1}"#, Timestamp::from_second(1_795_420_800).unwrap()).unwrap();
    let header = |name: &str| headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str());
    assert_eq!(header("x-phx-timestamp"), Some("1795420800"));
    // printf '1795420800.{"a":1}' | openssl dgst -sha256 -hmac swordfish
    let signature = "sha256=a6d2bb0b284f1447a20b52b808553f7083872f32431cbb7a1cd3b62a02f7d34c";
    assert_eq!(header("x-phx-signature"), Some(signature));

    let Place::Webhook(unsigned) = target("https://example.com/x").0 else { panic!() };
    let headers = unsigned.headers(&report(), b"{}", Timestamp::UNIX_EPOCH).unwrap();
    assert!(headers.iter().all(|(name, _)| *name != "x-phx-signature"));
}

#[test]
fn a_key_names_one_look_at_one_stack() {
    let key = report().key();
    assert_eq!(Report { checked: 13, ..report() }.key(), key);
    let later = "2026-11-23T08:00:01Z".parse().unwrap();
    assert_ne!(Report { time: later, ..report() }.key(), key);
    assert_ne!(Report { project: "platformd".into(), stack: "ev".into(), ..report() }.key(), key);
}

/// A server that answers one request after the other as it is told, each on a connection of its own; an empty answer breaks the connection. It
/// gives what came: the head and the body.
fn server(answers: Vec<String>) -> (String, mpsc::Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let (seen, came) = mpsc::channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            // A test that is through has gone away.
            let _ = seen.send((head, body));
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    (origin, came)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

fn quick() -> Client {
    Client::new(Patience {
        attempts: 4,
        timeout: Duration::from_secs(5),
        first_wait: Duration::from_millis(5),
        longest_wait: Duration::from_millis(200),
    })
}

async fn tell(target: &Target, report: &Report) -> anyhow::Result<()> {
    deliver(target, report, &Aws::builder().build(), &quick(), Timestamp::UNIX_EPOCH).await
}

#[tokio::test]
async fn it_is_told_again_until_it_is_taken_and_always_the_same() {
    let answers = vec![
        String::new(),
        answer("503 Service Unavailable", "Retry-After: 3600\r\n", "busy"),
        answer("429 Too Many Requests", "", ""),
        answer("202 Accepted", "", r#"{"status":"success"}"#),
    ];
    let (origin, came) = server(answers);
    let begun = Instant::now();
    // As long as the server asked for, but not longer than anyone would wait: not the hour.
    let (target, report) = (target(&format!("{origin}/hook/SECRETPATH")), report());
    let telling = tell(&target, &report);
    tokio::time::timeout(Duration::from_secs(600), telling).await.expect("an end").unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
    let came: Vec<_> = came.iter().collect();
    assert_eq!(came.len(), 4);
    assert!(came.iter().all(|request| *request == came[0]), "{came:?}");
    let (head, body) = &came[0];
    assert_eq!(*body, webhook::document(&report).unwrap());
    assert!(head.starts_with("POST /hook/SECRETPATH HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("content-type: application/json\r\n"), "{head}");
    assert!(head.to_lowercase().contains(&format!("idempotency-key: {}\r\n", report.key())), "{head}");
}

#[tokio::test]
async fn a_refusal_is_final_and_told_without_the_key() {
    let (origin, came) = server(vec![answer("400 Bad Request", "", &format!("bad key {KEY} \u{1b}[2J"))]);
    let target = target(&format!("pagerduty://{KEY}?endpoint={origin}/v2/enqueue"));
    let error = format!("{:#}", tell(&target, &report()).await.unwrap_err());
    assert_eq!(error, r"it answered with status 400: bad key (secret) \u{1b}[2J");
    assert_eq!(came.iter().count(), 1);

    let (origin, _came) = server(vec![answer("302 Found", "Location: https://elsewhere/SECRETPATH\r\n", "")]);
    let error = tell(&super::tests::target(&format!("slack:{origin}/SECRETPATH")), &report()).await.unwrap_err();
    insta::assert_snapshot!(error.to_string(), @r"
    it answered with status 302
      hint: redirects are not followed: name the URL that it leads to
    ");
}

#[tokio::test]
async fn giving_up_is_told_without_the_key() {
    let (origin, came) = server(vec![answer("500 Internal Server Error", "", "/hook/SECRETPATH broke"); 4]);
    let slack = target(&format!("slack:{origin}/hook/SECRETPATH"));
    let error = tell(&slack, &report()).await.unwrap_err().to_string();
    assert_eq!(error, "it answered with status 500: /hook/(secret) broke (tried 4 times)");
    assert_eq!(came.iter().count(), 4);

    // Now nobody is there.
    let error = tell(&slack, &report()).await.unwrap_err().to_string();
    assert!(error.starts_with("it cannot be reached: ") && error.contains("(tried 4 times)"), "{error}");
    assert!(!error.contains("SECRET"), "{error}");
}

#[tokio::test]
async fn who_does_not_answer_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = target(&format!("http://{}/SECRETPATH", listener.local_addr().unwrap()));
    let short = Duration::from_millis(50);
    let client = Client::new(Patience { attempts: 2, timeout: short, first_wait: short, longest_wait: short });
    let aws = Aws::builder().build();
    let error = deliver(&target, &report(), &aws, &client, Timestamp::UNIX_EPOCH).await.unwrap_err();
    assert_eq!(error.to_string(), "it did not answer within 0.05 s (tried 2 times)");
}

#[tokio::test]
async fn people_are_not_told_that_all_is_well() {
    // Nobody listens there, and SNS could not be called without credentials.
    tell(&target("slack:http://127.0.0.1:9/x"), &clean()).await.unwrap();
    tell(&target("arn:aws:sns:us-west-2:123456789012:alerts"), &clean()).await.unwrap();
    let (origin, came) = server(vec![answer("202 Accepted", "", ""), answer("204 No Content", "", "")]);
    tell(&target(&format!("pagerduty://{KEY}?endpoint={origin}/v2/enqueue")), &clean()).await.unwrap();
    tell(&target(&origin), &clean()).await.unwrap();
    assert_eq!(came.iter().count(), 2);
}
