//! Which pages of other origins may use a bucket: blocks of fields, and to and from the SDK's structures.

use aws_sdk_s3::types as sdk;
use phx_model::{Block, CloudError, Input};

use super::S3;
use super::bucket_settings::{invalid, unless};

/// Which pages of other origins may use a bucket.
#[derive(Clone, Debug, Block)]
pub struct CorsConfiguration {
    /// The rules, up to 100. The first that fits counts.
    pub cors_rules: Input<Vec<CorsRule>>,
}

/// What pages of some origins may do. <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CORSRule.html>
#[derive(Clone, Debug, Block)]
pub struct CorsRule {
    /// What they may do: `GET`, `PUT`, `HEAD`, `POST` and `DELETE`.
    #[field(set)]
    pub allowed_methods: Input<Vec<String>>,
    /// The origins: `https://www.example.com`, with up to one `*` in each.
    #[field(set)]
    pub allowed_origins: Input<Vec<String>>,
    /// The headers that they may send.
    #[field(set)]
    pub allowed_headers: Option<Input<Vec<String>>>,
    /// The headers of the answer that they may see.
    #[field(set)]
    pub expose_headers: Option<Input<Vec<String>>>,
    /// For how many seconds browsers may keep the answer to this.
    pub max_age_seconds: Option<Input<i32>>,
    /// The rule's name, up to 255 characters.
    pub id: Option<Input<String>>,
}

pub(super) async fn get(s3: &S3, bucket: &str) -> Result<Option<CorsConfigurationResolved>, CloudError> {
    let read = s3.read("GetBucketCors", || s3.get_bucket_cors().bucket(bucket).send());
    let answer = unless(&["NoSuchCORSConfiguration"], read).await?;
    let rules = answer.map(|a| a.cors_rules().iter().map(from_rule).collect::<Vec<_>>()).unwrap_or_default();
    Ok((!rules.is_empty()).then_some(CorsConfigurationResolved { cors_rules: rules }))
}

pub(super) async fn put(s3: &S3, bucket: &str, want: Option<&CorsConfigurationResolved>) -> Result<(), CloudError> {
    let Some(want) = want.filter(|want| !want.cors_rules.is_empty()) else {
        s3.write_idempotent("DeleteBucketCors", || s3.delete_bucket_cors().bucket(bucket).send()).await?;
        return Ok(());
    };
    let rules = want.cors_rules.iter().map(to_rule).collect::<Result<_, _>>()?;
    let configuration = sdk::CorsConfiguration::builder().set_cors_rules(Some(rules)).build().map_err(invalid)?;
    let request = s3.put_bucket_cors().bucket(bucket).cors_configuration(configuration);
    s3.write_idempotent("PutBucketCors", || request.clone().send()).await?;
    Ok(())
}

fn to_rule(want: &CorsRuleResolved) -> Result<sdk::CorsRule, CloudError> {
    sdk::CorsRule::builder()
        .set_id(want.id.clone())
        .set_allowed_methods(Some(want.allowed_methods.clone()))
        .set_allowed_origins(Some(want.allowed_origins.clone()))
        .set_allowed_headers(want.allowed_headers.clone())
        .set_expose_headers(want.expose_headers.clone())
        .set_max_age_seconds(want.max_age_seconds)
        .build()
        .map_err(invalid)
}

fn from_rule(rule: &sdk::CorsRule) -> CorsRuleResolved {
    let some = |items: &[String]| Some(items.to_vec()).filter(|items| !items.is_empty());
    CorsRuleResolved {
        allowed_methods: rule.allowed_methods().to_vec(),
        allowed_origins: rule.allowed_origins().to_vec(),
        allowed_headers: some(rule.allowed_headers()),
        expose_headers: some(rule.expose_headers()),
        max_age_seconds: rule.max_age_seconds(),
        id: rule.id().filter(|id| !id.is_empty()).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use phx_model::Value;
    use phx_model::value::Val;

    use super::*;

    #[test]
    fn rules_come_back_as_they_were_sent() {
        for json in [
            serde_json::json!({"allowed_methods": ["GET"], "allowed_origins": ["*"]}),
            serde_json::json!({"allowed_methods": ["GET", "PUT"], "allowed_origins": ["https://a"], "id": "x",
                "allowed_headers": ["*"], "expose_headers": ["ETag"], "max_age_seconds": 0}),
        ] {
            let want = CorsRule::from_value(&Value::from(json)).unwrap();
            assert_eq!(from_rule(&to_rule(&want).unwrap()), want);
        }
    }
}
