//! Messages to SNS, as they go over the wire: no emulator here has the service.
#![allow(clippy::unwrap_used)]
#![cfg(feature = "notify")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use phx_aws::Aws;
use phx_aws::notify::{Message, Topic, publish};
use phx_model::error::ErrorKind;

/// Answers with these statuses in turn, the last one for ever, and keeps what came: the URL and the body.
#[derive(Clone, Debug)]
struct Endpoint {
    statuses: &'static [u16],
    seen: Arc<Mutex<Vec<(String, String)>>>,
}

impl HttpConnector for Endpoint {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut seen = self.seen.lock().unwrap();
        let status = self.statuses.get(seen.len()).or(self.statuses.last()).copied().unwrap();
        let body = String::from_utf8(request.body().bytes().unwrap().to_vec()).unwrap();
        seen.push((request.uri().to_owned(), body));
        let xml = match status {
            200 => "<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>",
            503 => "<ErrorResponse><Error><Code>ServiceUnavailable</Code><Message>no</Message></Error></ErrorResponse>",
            _ => "<ErrorResponse><Error><Code>AuthorizationError</Code><Message>no</Message></Error></ErrorResponse>",
        };
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(xml));
        response.headers_mut().insert("content-type", "text/xml");
        HttpConnectorFuture::ready(Ok(response))
    }
}

fn endpoint(statuses: &'static [u16]) -> (Aws, Endpoint) {
    let endpoint = Endpoint { statuses, seen: Arc::default() };
    let connector = SharedHttpConnector::new(endpoint.clone());
    let aws = Aws::builder()
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .credentials("test", "test")
        .region(Some("eu-central-1".into()))
        .account_id(Some("111111111111".into()))
        .build();
    (aws, endpoint)
}

const MESSAGE: Message<'_> = Message {
    subject: "phx: a/b\nhas drifted",
    text: "one & two",
    attributes: &[("status", "drifted")],
    group: "g",
    key: "k",
};

#[tokio::test]
async fn a_message_goes_to_the_topics_own_region_whatever_the_stacks_account() {
    let (aws, endpoint) = endpoint(&[200]);
    publish(&aws, &Topic::parse("arn:aws:sns:us-west-2:222222222222:alerts").unwrap(), &MESSAGE).await.unwrap();
    let seen = endpoint.seen.lock().unwrap();
    let [(url, body)] = seen.as_slice() else { panic!("{seen:?}") };
    assert!(url.starts_with("https://sns.us-west-2.amazonaws.com"), "{url}");
    for part in [
        "Action=Publish",
        "TopicArn=arn%3Aaws%3Asns%3Aus-west-2%3A222222222222%3Aalerts",
        "Subject=phx%3A%20a%2Fb%3Fhas%20drifted",
        "Message=one%20%26%20two",
        "MessageAttributes.entry.1.Name=status",
        "MessageAttributes.entry.1.Value.DataType=String",
        "MessageAttributes.entry.1.Value.StringValue=drifted",
    ] {
        assert!(body.split('&').any(|p| p == part), "{part} is not in {body}");
    }
    assert!(!body.contains("MessageGroupId"), "{body}");
}

#[tokio::test]
async fn a_fifo_topic_is_told_what_is_the_same_message() {
    let (aws, endpoint) = endpoint(&[503, 200]);
    publish(&aws, &Topic::parse("arn:aws:sns:us-west-2:222222222222:a.fifo").unwrap(), &MESSAGE).await.unwrap();
    let seen = endpoint.seen.lock().unwrap();
    assert_eq!(seen.len(), 2, "{seen:?}");
    for (_, body) in seen.iter() {
        assert!(body.contains("MessageGroupId=g") && body.contains("MessageDeduplicationId=k"), "{body}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_at_once() {
    let (aws, endpoint) = endpoint(&[403]);
    let topic = Topic::parse("arn:aws:sns:us-west-2:222222222222:alerts").unwrap();
    let refused = tokio::time::timeout(Duration::from_secs(5), publish(&aws, &topic, &MESSAGE)).await.unwrap();
    let error = refused.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    assert!(error.to_string().starts_with("sns:Publish: AuthorizationError"), "{error}");
    assert_eq!(endpoint.seen.lock().unwrap().len(), 1);
}
