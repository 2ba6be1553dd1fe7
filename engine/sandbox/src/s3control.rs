//! S3 Control: the account's public access block, which keeps nobody from anything here.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use winterbaume_core::MockResponse;

use super::ACCOUNT_ID;
use super::service::{Call, Model, Tags};
use super::shape::{fault, unknown, xml, xml_answer};
use super::wire::{Fault, response};

const XMLNS: &str = "http://awss3control.amazonaws.com/doc/2018-08-20/";
const NAME: &str = "PublicAccessBlockConfiguration";
const PARTS: [&str; 4] = ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct S3Control {
    /// In the order of [`PARTS`].
    block: Option<[bool; 4]>,
}

impl Model for S3Control {
    const GLOBAL: bool = true;

    fn call(&mut self, call: &Call) -> Result<MockResponse, Fault> {
        let account = call.headers.get("x-amz-account-id").and_then(|v| v.to_str().ok());
        if account != Some(ACCOUNT_ID) {
            return Err(fault(403, "AccessDenied", "Access Denied"));
        }
        let path = call.path();
        if path.iter().map(String::as_str).ne(["v20180820", "configuration", "publicAccessBlock"]) {
            return unknown("s3control", call);
        }
        match call.method.as_str() {
            "GET" => {
                let message = "The public access block configuration was not found";
                let block = self.block.ok_or_else(|| fault(404, "NoSuchPublicAccessBlockConfiguration", message))?;
                let parts = PARTS.iter().zip(block).map(|(name, on)| ((*name).to_owned(), json!(on)));
                Ok(xml_answer(200, NAME, XMLNS, &Value::Object(parts.collect())))
            }
            "PUT" => {
                let body = xml(&call.body)?;
                self.block = Some(PARTS.map(|part| body[NAME][part] == "true"));
                Ok(response(201, "application/xml", ""))
            }
            "DELETE" => {
                self.block = None;
                Ok(response(204, "application/xml", ""))
            }
            _ => unknown("s3control", call),
        }
    }

    fn refusal(fault: &Fault, _call: &Call) -> MockResponse {
        fault.query_xml()
    }

    /// A public access block bears no tags.
    fn tagged(&self, _region: &str) -> Vec<(String, Tags)> {
        Vec::new()
    }
}
