//! [`kubeconfig`]: a cluster's access for kubectl and everything that reads its configuration.

use std::collections::BTreeMap;

use phx_model::typed::{Input, IntoInput};
use phx_model::{Expr, Value};

use super::EksClusterName;
use crate::arn::Arn;

/// A configuration for kubectl, Helm and their like: one cluster, one user who gets a token from `aws eks get-token` whenever one is needed, and
/// the context of the two under the cluster's name. No secret is in it.
///
/// The cluster's name, address and authority are its outputs (`cluster.name()`, `cluster.endpoint()`, `cluster.certificate_authority_data()`);
/// the region is where it is. The document is JSON, which is YAML as well, so that no name can break it:
///
/// ```
/// # use phx_aws::eks::{Cluster, EksClusterName, kubeconfig};
/// # fn program(stack: &phx_model::Stack, name: phx_model::Output<EksClusterName>, endpoint: phx_model::Output<String>, ca: phx_model::Output<String>) -> Result<(), phx_model::stack::ProgramError> {
/// stack.export("kubeconfig", kubeconfig(name, endpoint, ca, "us-west-2"))?;
/// # Ok(()) }
/// ```
///
/// and `phx stack outputs kubeconfig > kubeconfig.json && kubectl --kubeconfig kubeconfig.json get nodes`. The command needs the `aws` CLI, version
/// 1.18 or 2, and whoever runs it needs an access entry of the cluster. The forms are those of
/// <https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/> and
/// <https://docs.aws.amazon.com/eks/latest/userguide/create-kubeconfig.html>.
pub fn kubeconfig(
    name: impl IntoInput<EksClusterName>,
    endpoint: impl IntoInput<String>,
    certificate_authority_data: impl IntoInput<String>,
    region: impl IntoInput<String>,
) -> Input<String> {
    document(
        name.into_input(),
        endpoint.into_input(),
        certificate_authority_data.into_input(),
        region.into_input(),
        None,
    )
}

/// The same, for whoever may assume a role that has access to the cluster, and has none of their own.
pub fn kubeconfig_by_role(
    name: impl IntoInput<EksClusterName>,
    endpoint: impl IntoInput<String>,
    certificate_authority_data: impl IntoInput<String>,
    region: impl IntoInput<String>,
    role: impl IntoInput<Arn>,
) -> Input<String> {
    let (name, region, role) = (name.into_input(), region.into_input(), role.into_input().into_expr());
    document(name, endpoint.into_input(), certificate_authority_data.into_input(), region, Some(role))
}

fn document(
    name: Input<EksClusterName>,
    endpoint: Input<String>,
    certificate_authority_data: Input<String>,
    region: Input<String>,
    role: Option<Expr>,
) -> Input<String> {
    let name = name.into_expr();
    let named = |part: &str, value: Expr| Expr::List(vec![map([("name", name.clone()), (part, value)])]);
    let mut arguments = vec![
        text("eks"),
        text("get-token"),
        text("--cluster-name"),
        name.clone(),
        text("--region"),
        region.into_expr(),
        text("--output"),
        text("json"),
    ];
    arguments.extend(role.into_iter().flat_map(|role| [text("--role-arn"), role]));
    let exec = map([
        ("apiVersion", text("client.authentication.k8s.io/v1beta1")),
        ("command", text("aws")),
        ("args", Expr::List(arguments)),
        ("interactiveMode", text("IfAvailable")),
        ("provideClusterInfo", Expr::Literal(Value::Bool(false))),
    ]);
    let cluster =
        map([("server", endpoint.into_expr()), ("certificate-authority-data", certificate_authority_data.into_expr())]);
    Input::from_expr(Expr::ToJson(Box::new(map([
        ("apiVersion", text("v1")),
        ("kind", text("Config")),
        ("clusters", named("cluster", cluster)),
        ("users", named("user", map([("exec", exec)]))),
        ("contexts", named("context", map([("cluster", name.clone()), ("user", name.clone())]))),
        ("current-context", name.clone()),
    ]))))
}

fn text(text: &str) -> Expr {
    Expr::Literal(Value::String(text.into()))
}

fn map<const N: usize>(fields: [(&str, Expr); N]) -> Expr {
    Expr::Map(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<BTreeMap<_, _>>())
}

#[cfg(test)]
mod tests {
    use phx_model::Urn;
    use phx_model::expr::Env;
    use serde_json::{Value as Json, json};

    use super::*;

    struct Outputs;

    impl Env for Outputs {
        fn output(&self, _: &Urn, output: &str) -> Option<Value> {
            Some(match output {
                "endpoint" => Value::String("https://0A1B.gr7.us-west-2.eks.amazonaws.com".into()),
                "certificate_authority_data" => Value::String("LS0tLS1CRUdJTg==".into()),
                _ => return None,
            })
        }
    }

    fn output(name: &'static str) -> Input<String> {
        let urn = Urn::parse("urn:phx:p:s:aws:eks:Cluster:main").unwrap();
        Input::from_expr(Expr::Ref { urn, output: name.to_owned() })
    }

    fn written(config: Input<String>) -> String {
        config.into_expr().eval(&Outputs).unwrap().as_str().unwrap().to_owned()
    }

    #[test]
    fn it_is_what_kubectl_reads() {
        let config = kubeconfig(
            EksClusterName::new("demo"),
            output("endpoint"),
            output("certificate_authority_data"),
            "us-west-2",
        );
        let text = written(config);
        let read: Json = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(
            read,
            json!({
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "demo",
                "contexts": [{"name": "demo", "context": {"cluster": "demo", "user": "demo"}}],
                "clusters": [{"name": "demo", "cluster": {
                    "server": "https://0A1B.gr7.us-west-2.eks.amazonaws.com",
                    "certificate-authority-data": "LS0tLS1CRUdJTg==",
                }}],
                "users": [{"name": "demo", "user": {"exec": {
                    "apiVersion": "client.authentication.k8s.io/v1beta1",
                    "command": "aws",
                    "args": ["eks", "get-token", "--cluster-name", "demo", "--region", "us-west-2", "--output", "json"],
                    "interactiveMode": "IfAvailable",
                    "provideClusterInfo": false,
                }}}],
            })
        );
        assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), read, "as JSON and as YAML it says the same");
    }

    #[test]
    fn a_role_is_one_more_argument_and_nothing_breaks_it() {
        let odd = "a\"b: {c}\n- d\t'#\u{2028}";
        let role = Arn::new("arn:aws:iam::123456789012:role/kube");
        let text = written(kubeconfig_by_role(EksClusterName::new(odd), odd, odd, odd, role));
        let read: Json = serde_saphyr::from_str(&text).unwrap();
        let args = &read["users"][0]["user"]["exec"]["args"];
        assert_eq!((&args[3], &args[5]), (&json!(odd), &json!(odd)));
        assert_eq!((&args[8], &args[9]), (&json!("--role-arn"), &json!("arn:aws:iam::123456789012:role/kube")));
        assert_eq!(read["clusters"][0]["cluster"]["server"], odd);
        assert_eq!(read["current-context"], odd);
    }
}
