//! User data: what an instance runs when it starts first, as text or as base64.

use aws_smithy_types::base64;
use phx_model::Value;

/// What stands for user data, however it is written: its bytes as base64.
pub(super) fn meaning(value: &Value) -> Value {
    match value.expose() {
        Value::String(text) => Value::String(base64::encode(bytes(text)).into()),
        other => other.clone(),
    }
}

/// User data as the API takes it.
pub(super) fn encoded(text: &str) -> String {
    base64::encode(bytes(text))
}

/// What text that is base64, in one line or several, stands for; all other text is meant as it is.
pub(super) fn bytes(text: &str) -> Vec<u8> {
    let joined: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    base64::decode(&joined).unwrap_or_else(|_| text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_data_means_its_bytes() {
        let of = |text: &str| meaning(&Value::String(text.into()));
        let script = "#!/bin/sh\necho hello\n";
        assert_eq!(of(script), of(&base64::encode(script)));
        assert_eq!(encoded(script), base64::encode(script));
        assert_eq!(encoded(&base64::encode(script)), base64::encode(script));
        let long = base64::encode("#cloud-config\n".repeat(20));
        let (first, rest) = long.split_at(76);
        assert_eq!(of(&format!("{first}\n{rest}\n")), of(&long));
        assert_ne!(of(script), of("#!/bin/sh\n"));
        assert_eq!(meaning(&Value::Null), Value::Null);
    }
}
