//! Lookups: what a program asks the cloud while it is written down, so that it can go by the answer: the zones of a region, an image, a network that
//! somebody else manages.
//!
//! This crate calls no cloud. A [`Stack`](crate::Stack) is given an [`Answerer`], which blocks until it has the answers; in tests,
//! [`Answers`] are answers known beforehand.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{CloudError, ErrorKind};
use crate::provider::Provider;
use crate::state::ProviderKey;
use crate::value::Value;

/// A question to the cloud. Its fields are the arguments, as they are serialized; what is left out of the serialized form says nothing.
pub trait Lookup: Serialize {
    /// Its name: `aws:sts:CallerIdentity`.
    const NAME: &'static str;
    /// What it is answered with.
    type Answer: Serialize + DeserializeOwned;
}

/// A question as an [`Answerer`] gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The lookup's name.
    pub name: String,
    /// Its arguments: a map.
    pub arguments: Value,
    /// Where it is asked.
    pub provider: ProviderKey,
}

/// The question for people, and the same text for the same question: `aws:ec2:Vpc {"name":"main"} in us-east-1`.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if !self.arguments.is_empty() {
            write!(f, " {}", self.arguments.to_redacted_json())?;
        }
        if !self.provider.is_home() {
            write!(f, " in {}", self.provider)?;
        }
        Ok(())
    }
}

/// A way to the cloud for lookups.
pub trait Answerer: Send + Sync {
    /// Answers all of them, in their order, with as few calls as the cloud allows. Blocks until it has the answers. `providers` says what the requests'
    /// places mean.
    fn answer(
        &self,
        requests: &[Request],
        providers: &BTreeMap<ProviderKey, Provider>,
    ) -> Vec<Result<Value, CloudError>>;
}

/// A lookup that has no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the lookup {request}: {error}")]
pub struct LookupError {
    /// What was asked, and where.
    pub request: String,
    /// Why there is no answer.
    pub error: Box<CloudError>,
}

impl LookupError {
    fn new(request: impl fmt::Display, error: CloudError) -> Self {
        Self { request: request.to_string(), error: Box::new(error) }
    }
}

/// The question in the form that an [`Answerer`] gets.
pub(crate) fn request<L: Lookup>(lookup: &L, provider: &ProviderKey) -> Result<Request, LookupError> {
    let arguments = serde_json::to_value(lookup).map_err(|error| {
        let message = format!("its arguments have no form in which they can be sent: {error}");
        LookupError::new(L::NAME, CloudError::local(ErrorKind::Invalid, message))
    })?;
    let mut arguments = Value::from(arguments);
    if let Value::Map(said) = &mut arguments {
        // What says nothing is not shown either.
        said.retain(|_, value| !value.is_empty());
    }
    Ok(Request { name: L::NAME.to_owned(), arguments, provider: provider.clone() })
}

/// The typed answer.
pub(crate) fn read<L: Lookup>(request: &Request, answer: &Value) -> Result<L::Answer, LookupError> {
    let unreadable = |why: String| {
        let message = format!("the answer is not of the form that this lookup has: {why}");
        LookupError::new(request, CloudError::local(ErrorKind::Other, message))
    };
    let json = answer.to_plain_json().ok_or_else(|| unreadable("something in it is not known".to_owned()))?;
    serde_json::from_value(json).map_err(|error| unreadable(error.to_string()))
}

/// Asks; there is an answer for each request, or an error.
pub(crate) fn ask(
    answerer: Option<&dyn Answerer>,
    requests: &[Request],
    providers: &BTreeMap<ProviderKey, Provider>,
) -> Result<Vec<Value>, LookupError> {
    let Some(first) = requests.first() else { return Ok(Vec::new()) };
    let Some(answerer) = answerer else {
        let error = CloudError::local(ErrorKind::Unsupported, "this stack has no way to the cloud");
        return Err(LookupError::new(
            first,
            error.hint("write the program down with lookups (`StackSettings::write_down_with`), or give answers known beforehand"),
        ));
    };
    let answers = answerer.answer(requests, providers);
    if answers.len() != requests.len() {
        let message = format!("{} lookups were asked, and {} answered", requests.len(), answers.len());
        return Err(LookupError::new(first, CloudError::local(ErrorKind::Other, message)));
    }
    requests.iter().zip(answers).map(|(r, answer)| answer.map_err(|error| LookupError::new(r, error))).collect()
}

/// Several lookups that are asked at once: a tuple of up to eight, an array, a `Vec`.
pub trait Lookups {
    /// The answers, in the same arrangement.
    type Answers;

    /// The questions.
    fn requests(&self, provider: &ProviderKey) -> Result<Vec<Request>, LookupError>;
    /// The answers to them.
    fn read(requests: &[Request], answers: &[Value]) -> Result<Self::Answers, LookupError>;
}

impl<L: Lookup> Lookups for Vec<L> {
    type Answers = Vec<L::Answer>;

    fn requests(&self, provider: &ProviderKey) -> Result<Vec<Request>, LookupError> {
        self.iter().map(|lookup| request(lookup, provider)).collect()
    }
    fn read(requests: &[Request], answers: &[Value]) -> Result<Self::Answers, LookupError> {
        requests.iter().zip(answers).map(|(request, answer)| read::<L>(request, answer)).collect()
    }
}

impl<L: Lookup, const N: usize> Lookups for [L; N] {
    type Answers = [L::Answer; N];

    fn requests(&self, provider: &ProviderKey) -> Result<Vec<Request>, LookupError> {
        self.iter().map(|lookup| request(lookup, provider)).collect()
    }
    fn read(requests: &[Request], answers: &[Value]) -> Result<Self::Answers, LookupError> {
        let all: Vec<L::Answer> = <Vec<L> as Lookups>::read(requests, answers)?;
        // As many as were asked.
        all.try_into().map_err(|all: Vec<_>| {
            let message = format!("{N} lookups were asked, and {} answered", all.len());
            LookupError::new(L::NAME, CloudError::local(ErrorKind::Other, message))
        })
    }
}

macro_rules! tuples {
    ($($($name:ident $at:tt),+;)*) => {$(
        impl<$($name: Lookup),+> Lookups for ($($name,)+) {
            type Answers = ($($name::Answer,)+);

            fn requests(&self, provider: &ProviderKey) -> Result<Vec<Request>, LookupError> {
                Ok(vec![$(request(&self.$at, provider)?),+])
            }
            fn read(requests: &[Request], answers: &[Value]) -> Result<Self::Answers, LookupError> {
                Ok(($(match (requests.get($at), answers.get($at)) {
                    (Some(request), Some(answer)) => read::<$name>(request, answer)?,
                    _ => {
                        let error = CloudError::local(ErrorKind::Other, "it was not answered");
                        return Err(LookupError::new($name::NAME, error));
                    }
                },)+))
            }
        }
    )*};
}
tuples! {
    A 0;
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
    A 0, B 1, C 2, D 3, E 4;
    A 0, B 1, C 2, D 3, E 4, F 5;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
}

/// Answers known beforehand: for tests, and for programs that are to be written down without a cloud.
#[derive(Clone, Debug, Default)]
pub struct Answers(HashMap<String, Value>);

impl Answers {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// The answer to a lookup in the stack's own account and region.
    pub fn give<L: Lookup>(self, lookup: &L, answer: L::Answer) -> Result<Self, LookupError> {
        self.give_in(&ProviderKey::default(), lookup, answer)
    }

    /// The answer to a lookup in another place.
    pub fn give_in<L: Lookup>(
        mut self,
        provider: &ProviderKey,
        lookup: &L,
        answer: L::Answer,
    ) -> Result<Self, LookupError> {
        let request = request(lookup, provider)?;
        let value = serde_json::to_value(answer).map_err(|error| {
            let message = format!("the answer has no form in which it can be kept: {error}");
            LookupError::new(&request, CloudError::local(ErrorKind::Invalid, message))
        })?;
        self.0.insert(request.to_string(), value.into());
        Ok(self)
    }
}

impl Answerer for Answers {
    #[allow(clippy::result_large_err)] // few are made, and only in tests
    fn answer(&self, requests: &[Request], _: &BTreeMap<ProviderKey, Provider>) -> Vec<Result<Value, CloudError>> {
        requests
            .iter()
            .map(|request| {
                let unknown = || CloudError::local(ErrorKind::NotFound, "no answer to this was given beforehand");
                self.0.get(&request.to_string()).cloned().ok_or_else(unknown)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde::Deserialize;

    use super::*;
    use crate::config::ConfigSource;
    use crate::urn::StackName;
    use crate::{Options, Stack};

    #[derive(Serialize)]
    struct Zones {
        #[serde(skip_serializing_if = "Option::is_none")]
        kind: Option<&'static str>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Zone {
        name: String,
    }

    impl Lookup for Zones {
        const NAME: &'static str = "test:net:Zones";
        type Answer = Vec<Zone>;
    }

    #[derive(Serialize)]
    struct Me;

    impl Lookup for Me {
        const NAME: &'static str = "test:me:Me";
        type Answer = String;
    }

    fn zones(names: &[&str]) -> Vec<Zone> {
        names.iter().map(|name| Zone { name: (*name).to_owned() }).collect()
    }

    fn stack() -> Stack {
        let name = |text| StackName::new(text).unwrap();
        Stack::new(name("p"), name("s"), ConfigSource::default(), BTreeMap::new())
    }

    /// Counts how often it is asked.
    struct Counting(Answers, Mutex<Vec<usize>>);

    impl Answerer for Counting {
        fn answer(&self, r: &[Request], p: &BTreeMap<ProviderKey, Provider>) -> Vec<Result<Value, CloudError>> {
            self.1.lock().unwrap().push(r.len());
            self.0.answer(r, p)
        }
    }

    #[test]
    fn answers_are_typed_and_asked_for_at_once() {
        let every = Zones { kind: None };
        let local = Zones { kind: Some("local") };
        let answers = Answers::new().give(&every, zones(&["a", "b"])).unwrap().give(&local, zones(&["l"])).unwrap();
        let answers = Arc::new(Counting(answers.give(&Me, "me".into()).unwrap(), Mutex::default()));
        let stack = stack().with_lookups(answers.clone());
        assert_eq!(stack.lookup(Zones { kind: None }).unwrap(), zones(&["a", "b"]));
        let (found, me) = stack.lookup_all((Zones { kind: Some("local") }, Me)).unwrap();
        assert_eq!((found, me.as_str()), (zones(&["l"]), "me"));
        let both = stack.lookup_all([Zones { kind: None }, Zones { kind: Some("local") }]).unwrap();
        assert_eq!(both, [zones(&["a", "b"]), zones(&["l"])]);
        assert_eq!(stack.lookup_all(vec![Me, Me]).unwrap(), ["me", "me"]);
        assert_eq!(stack.lookup_all(Vec::<Me>::new()).unwrap(), Vec::<String>::new());
        assert_eq!(*answers.1.lock().unwrap(), [1, 2, 2, 2]);
    }

    #[test]
    fn what_cannot_be_answered_says_what_was_asked_and_where() {
        let error = stack().lookup(Zones { kind: Some("local") }).unwrap_err().to_string();
        assert!(error.starts_with("the lookup test:net:Zones {\"kind\":\"local\"}: this stack has no way"), "{error}");
        let there = ProviderKey("us-east-1".into());
        let answers = Answers::new().give_in(&there, &Me, "there".into()).unwrap();
        let stack = stack().with_lookups(Arc::new(answers));
        let error = stack.lookup(Me).unwrap_err().to_string();
        assert!(error.starts_with("the lookup test:me:Me: no answer"), "{error}");
        let replica = stack.provider("replica", Provider::new().region("us-east-1")).unwrap();
        assert_eq!(stack.with_provider(&replica).lookup(Me).unwrap(), "there");
        let error = stack.with_provider(&replica).lookup(Zones { kind: None }).unwrap_err().to_string();
        assert!(error.starts_with("the lookup test:net:Zones in us-east-1: "), "{error}");
        // The scope's place is for what it declares, too; and an option goes before it.
        let _ = Options::new().provider(&replica);
    }

    #[test]
    fn an_answer_of_another_form_is_an_error() {
        let mut answers = Answers::new();
        answers.0.insert("test:me:Me".into(), Value::Int(1));
        let error = stack().with_lookups(Arc::new(answers)).lookup(Me).unwrap_err().to_string();
        assert!(error.contains("not of the form"), "{error}");
    }
}
