//! What can be found wrong with a check while it is declared.

use super::{Check, DeclaredCheck, Path, Probe, Target};
use crate::expr::Expr;
use crate::schema::Schema;
use crate::stack::ProgramError;
use crate::urn::Urn;
use crate::value::Value;

/// The check under its name, if nothing is wrong with it. `schema` gives the type of a declared resource.
pub(crate) fn declared(
    name: String,
    check: Check,
    schema: impl Fn(&Urn) -> Option<&'static Schema>,
) -> Result<DeclaredCheck, ProgramError> {
    if let Some(missing) = check.urns().into_iter().find(|urn| schema(urn).is_none()) {
        return Err(ProgramError::Undeclared(missing.clone()));
    }
    let fields = match &check.probe {
        Probe::Object { target: Target::Resource(urn), .. } => schema(urn),
        _ => None,
    };
    match wrong(&check.probe, fields) {
        Some(why) => Err(ProgramError::Check { name, why }),
        None => Ok(DeclaredCheck { name, check }),
    }
}

/// What is wrong with it, as far as that can be told before its values are known.
fn wrong(probe: &Probe, schema: Option<&'static Schema>) -> Option<String> {
    match probe {
        Probe::Object { expected, .. } => expected.iter().find_map(|(path, condition)| {
            let path = match Path::parse(path) {
                Ok(path) => path,
                Err(why) => return Some(why),
            };
            if matches!(condition, super::Condition::OneOf(options) if options.is_empty()) {
                return Some(format!("{path} cannot be one of none"));
            }
            let schema = schema?;
            let known = schema.fields.iter().map(|f| f.name).chain(schema.outputs.iter().map(|o| o.name));
            let known: Vec<&str> = known.collect();
            (!known.contains(&path.field())).then(|| {
                format!(
                    "{:?} is neither a field nor an output of {}\n  hint: it has {}",
                    path.field(),
                    schema.type_name,
                    known.join(", ")
                )
            })
        }),
        Probe::Tcp { port, .. } | Probe::Tls { port, .. } => match port {
            Expr::Literal(Value::Int(port)) if !(1..=65535).contains(port) => {
                Some(format!("{port} is not a port; a port is a number from 1 to 65535"))
            }
            _ => None,
        },
        Probe::Http { url, method, headers, statuses, answer_headers, .. } => {
            let names = headers.iter().chain(answer_headers).map(|(name, _)| name).chain([method]);
            let odd = names.into_iter().find(|name| !is_token(name));
            match (url, odd, statuses.iter().find(|s| !(100..=599).contains(*s))) {
                (Expr::Literal(Value::String(url)), ..)
                    if !url.starts_with("http://") && !url.starts_with("https://") =>
                {
                    Some(format!("{url:?} is not a URL over HTTP; it begins with http:// or https://"))
                }
                (_, Some(odd), _) => Some(format!("{odd:?} cannot be a method or the name of a header")),
                (.., Some(status)) => Some(format!("{status} is not a status; a status is a number from 100 to 599")),
                _ => None,
            }
        }
        Probe::Dns { addresses, .. } => addresses.iter().find_map(|address| match address {
            Expr::Literal(Value::String(text)) if text.parse::<std::net::IpAddr>().is_err() => {
                Some(format!("{text:?} is not an IPv4 or IPv6 address"))
            }
            _ => None,
        }),
        Probe::Command { argv, env, .. } => match (argv.first(), env.iter().find(|(name, _)| !is_variable(name))) {
            (Some(Expr::Literal(Value::String(program))), _) if program.is_empty() => {
                Some("the command has no name".to_owned())
            }
            (_, Some((name, _))) => Some(format!("{name:?} cannot be the name of a variable")),
            _ => None,
        },
    }
}

/// RFC 9110: what methods and names of headers are made of.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}
