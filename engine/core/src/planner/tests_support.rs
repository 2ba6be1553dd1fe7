//! A few resource types, and programs and states of them, for the tests of this crate.

use super::*;
use phx_model::Expr;
use phx_model::schema::{Field, Identity, Kind};
use phx_model::stack::Options;

/// A field of text with no attributes.
pub(crate) const FIELD: Field = Field {
    name: "",
    kind: Kind::String,
    rust: "String",
    doc: "",
    required: false,
    replace: false,
    secret: false,
    write_only: false,
    cloud_default: false,
    set: false,
    normalize: None,
};

/// A type with one field of each behaviour: `name` (replace), `size`, `zone` (cloud default, replace), `tags`.
pub(crate) static THING: Schema = Schema {
    type_name: "test:unit:Thing",
    terraform: None,
    cloudformation: None,
    doc: "",
    identity: Identity::IntentTag,
    unique: &[],
    vanishes_with: None,
    fields: &[
        Field { name: "name", replace: true, ..FIELD },
        Field { name: "size", kind: Kind::Int, ..FIELD },
        Field { name: "zone", cloud_default: true, replace: true, ..FIELD },
        Field { name: "tags", kind: Kind::Map(&Kind::String), ..FIELD },
    ],
    outputs: &[
        OutputField { name: "id", kind: Kind::Id("ThingId"), doc: "", secret: false, volatile: false, follows: &[] },
        OutputField { name: "version", kind: Kind::String, doc: "", secret: false, volatile: true, follows: &[] },
        OutputField { name: "grade", kind: Kind::String, doc: "", secret: false, volatile: true, follows: &["size"] },
    ],
};

/// The same, but no two may have one name.
pub(crate) static UNIQUE: Schema = Schema { type_name: "test:unit:Unique", unique: &["size"], ..copy(&THING) };

/// The same, but it is a part of what its `zone` names.
pub(crate) static PART: Schema = Schema {
    type_name: "test:unit:Part",
    vanishes_with: Some("zone"),
    fields: &[
        Field { name: "name", replace: true, ..FIELD },
        Field { name: "zone", kind: Kind::Id("ThingId"), replace: true, ..FIELD },
    ],
    ..copy(&THING)
};

/// What these types are, by name.
pub(crate) fn schemas(type_name: &str) -> Option<&'static Schema> {
    [&THING, &UNIQUE, &PART].into_iter().find(|schema| schema.type_name == type_name)
}

pub(crate) const fn copy(s: &Schema) -> Schema {
    Schema {
        type_name: s.type_name,
        terraform: None,
        cloudformation: None,
        doc: s.doc,
        identity: s.identity,
        unique: s.unique,
        vanishes_with: None,
        fields: s.fields,
        outputs: s.outputs,
    }
}

pub(crate) struct ProgramBuilder {
    pub(crate) program: Program,
}

impl ProgramBuilder {
    pub(crate) fn new() -> Self {
        let name = |n| StackName::new(n).unwrap();
        let program = Program::empty(name("p"), name("s"));
        Self { program }
    }

    fn urn_of(&self, schema: &Schema, name: &str) -> Urn {
        Urn::new(&self.program.project, &self.program.stack, schema.type_name, name).unwrap()
    }

    pub(crate) fn urn(&self, name: &str) -> Urn {
        let known = self.program.resources.iter().find(|d| d.urn.name() == name);
        known.map_or_else(|| self.urn_of(&THING, name), |d| d.urn.clone())
    }

    pub(crate) fn add(&mut self, name: &str, depends_on: &[&str]) -> &mut Self {
        self.add_as(&THING, name, depends_on)
    }

    pub(crate) fn add_as(&mut self, schema: &'static Schema, name: &str, depends_on: &[&str]) -> &mut Self {
        let options = Options { depends_on: depends_on.iter().map(|d| self.urn(d)).collect(), ..Options::default() };
        let inputs = [("name".to_owned(), Expr::Literal(Value::String(name.into())))].into();
        self.program.resources.push(Declared { urn: self.urn_of(schema, name), schema, inputs, options });
        self
    }

    pub(crate) fn get(&mut self, name: &str) -> &mut Declared {
        self.program.resources.iter_mut().find(|d| d.urn.name() == name).unwrap()
    }

    pub(crate) fn depends(&mut self, name: &str, on: &str) {
        let on = self.urn(on);
        self.get(name).options.depends_on.push(on);
    }

    pub(crate) fn set(&mut self, name: &str, field: &str, value: Expr) -> &mut Self {
        self.get(name).inputs.insert(field.to_owned(), value);
        self
    }

    /// An expression for a resource's output.
    pub(crate) fn output(&self, name: &str, output: &str) -> Expr {
        Expr::Ref { urn: self.urn(name), output: output.to_owned() }
    }

    /// The state in which everything is as the program says, with the ids `id-<name>`.
    pub(crate) fn applied(&self) -> State {
        struct Applied<'a>(&'a State);
        impl Env for Applied<'_> {
            fn output(&self, urn: &Urn, output: &str) -> Option<Value> {
                self.0.resources.get(urn)?.outputs.get(output).cloned()
            }
        }
        let mut state = State::empty("lineage");
        let graph = Graph::new(&self.program).unwrap();
        for &at in graph.order() {
            let declared = &self.program.resources[at];
            let id = format!("id-{}", declared.urn.name());
            let text = |t: &str| Value::String(t.into());
            let record = Record {
                inputs: inputs(declared, &Applied(&state)).unwrap(),
                replace_on: triggers(declared, &Applied(&state)).unwrap(),
                outputs: [
                    ("id".to_owned(), text(&id)),
                    ("version".to_owned(), text("1")),
                    ("grade".to_owned(), text("1")),
                ]
                .into(),
                id,
                depends_on: graph.dependencies(at).iter().map(|&d| self.program.resources[d].urn.clone()).collect(),
                protect: declared.options.protect,
                retain: declared.options.retain,
                ..Record::default()
            };
            state.resources.insert(declared.urn.clone(), record);
        }
        state
    }

    pub(crate) fn plan(&self, state: &State) -> Result<Plan, PlanError> {
        self.plan_with(state, &PlanOptions::default())
    }

    pub(crate) fn plan_with(&self, state: &State, options: &PlanOptions) -> Result<Plan, PlanError> {
        let (gone, adoptable) = (BTreeMap::new(), BTreeMap::new());
        plan(&PlanInput { program: &self.program, state, gone: &gone, adoptable: &adoptable, options })
    }
}
