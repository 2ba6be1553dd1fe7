//! How S3 Control is called where AWS's own host names are not.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Takes the account out of the host name where it cannot be in one: AWS is called at `<account>.s3-control.<region>.amazonaws.com`, and the
/// SDK does the same with an endpoint of one's own, but nothing is before an address. The account is in a header as well.
#[derive(Debug)]
pub(crate) struct WithoutAccount;

#[dyn_dispatch_hint]
impl Intercept for WithoutAccount {
    fn name(&self) -> &'static str {
        "WithoutAccount"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        if let Some(uri) = at_address(request.uri()) {
            request.set_uri(uri)?;
        }
        Ok(())
    }
}

/// The same without what is before an address, if that is what it calls.
fn at_address(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    let (account, rest) = rest.split_once('.')?;
    let authority = rest.split('/').next()?;
    let is_account = !account.is_empty() && account.bytes().all(|b| b.is_ascii_digit());
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    (is_account && is_address).then(|| format!("{scheme}://{rest}"))
}

#[cfg(test)]
mod tests {
    use super::at_address;

    #[test]
    fn the_account_goes_only_where_it_is_before_an_address() {
        let at = |uri| at_address(uri);
        assert_eq!(at("http://123456789012.127.0.0.1:4566/v2/x?y").as_deref(), Some("http://127.0.0.1:4566/v2/x?y"));
        assert_eq!(at("http://123456789012.127.0.0.1/v2").as_deref(), Some("http://127.0.0.1/v2"));
        for other in [
            "https://123456789012.s3-control.us-west-2.amazonaws.com/v2",
            "http://127.0.0.1:4566/v2",
            "http://123456789012.localhost:4566/v2",
            "http://10.127.0.0.1.example.com/",
        ] {
            assert_eq!(at(other), None, "{other}");
        }
    }
}
