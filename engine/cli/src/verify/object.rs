//! Objects as the cloud has them now.

use phx_engine::verify::read_object;
use phx_model::check::condition::Known;
use phx_model::check::{Path, Target};
use phx_model::driver::Read;
use phx_model::state::ProviderKey;
use phx_model::{Urn, ValueMap};

use super::attempt::{Miss, Text, With, unrecorded};

/// An object that should be there, and as it should be.
#[derive(Debug)]
pub(super) struct Object {
    target: Which,
    expected: Vec<(Path, Known)>,
}

#[derive(Debug)]
enum Which {
    Resource(Urn),
    Existing { type_name: &'static str, id: Text, provider: ProviderKey },
}

impl Object {
    /// `id` is that of an existing one.
    pub(super) fn new(target: &Target, id: Option<Text>, expected: Vec<(&str, Known)>) -> Result<Self, String> {
        let target = match (target, id) {
            (Target::Existing { type_name, provider, .. }, Some(id)) => {
                Which::Existing { type_name, id, provider: provider.clone() }
            }
            (Target::Existing { type_name, .. }, None) => return Err(format!("no id was given of the {type_name}")),
            (Target::Resource(urn), _) => Which::Resource(urn.clone()),
        };
        let expected = expected.into_iter().map(|(path, known)| Ok((Path::parse(path)?, known)));
        Ok(Self { target, expected: expected.collect::<Result<_, String>>()? })
    }

    pub(super) fn subject(&self) -> String {
        match &self.target {
            Which::Resource(urn) => format!("{} {}", urn.type_name(), urn.name()),
            Which::Existing { type_name, id, .. } => format!("{type_name} {id}"),
        }
    }

    pub(super) fn expected(&self) -> String {
        if self.expected.is_empty() {
            return "it exists".to_owned();
        }
        self.expected.iter().map(|(path, known)| format!("{path} {}", known.words())).collect::<Vec<_>>().join(", ")
    }

    pub(super) async fn attempt(&self, with: &With<'_>) -> Result<String, Miss> {
        let With { registry, state, limit, .. } = *with;
        let expected = self.expected();
        let (type_name, read) = match &self.target {
            Which::Resource(urn) => {
                let Some(record) = state.resources.get(urn) else { return Err(unrecorded(urn.as_str())) };
                let (type_name, place) = (urn.type_name(), &record.provider);
                (type_name, read_object(registry, type_name, place, &record.id, Some(record), limit).await)
            }
            Which::Existing { type_name, id, provider } => {
                (*type_name, read_object(registry, type_name, provider, &id.plain, None, limit).await)
            }
        };
        let observed = match read {
            Read::Present(observed) => observed,
            Read::Gone => {
                return Err(
                    Miss::new(expected, "it does not exist").hint("`phx drift` tells what else is gone or changed")
                );
            }
            Read::Failed(error) => return Err(Miss::refused(&expected, &error)),
        };
        // What the cloud decides goes before what it was told.
        let mut all: ValueMap = observed.fields;
        all.extend(observed.outputs);
        let schema = registry.get(type_name).map(|driver| driver.schema());
        let mut wrong = Vec::new();
        for (path, known) in &self.expected {
            let found = path.find(&all);
            let field = schema.and_then(|s| s.field(path.field())).filter(|_| path.is_whole());
            if !known.holds(field, &found) {
                wrong.push(format!("{path}: {}", known.found(&found)));
            }
        }
        match wrong.is_empty() {
            true => Ok(expected),
            false => Err(Miss::new(expected, wrong.join("; "))),
        }
    }
}
