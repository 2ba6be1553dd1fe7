use super::tests_support::{FIELD, PART, ProgramBuilder, THING, UNIQUE, copy, schemas};
use super::*;
use crate::schedule::{Work, schedule};
use phx_model::driver::Observed;
use phx_model::schema::Field;
use phx_model::state::{Deposed, ProviderKey};
use phx_model::{Check, Expr};

fn int(n: i64) -> Expr {
    Expr::Literal(Value::Int(n))
}

fn text(t: &str) -> Expr {
    Expr::Literal(Value::String(t.into()))
}

fn ops(plan: &Plan) -> Vec<(String, Op)> {
    plan.steps.iter().map(|s| (s.urn.name().to_owned(), s.op)).collect()
}

fn op(plan: &Plan, name: &str) -> Op {
    plan.steps.iter().find(|s| s.urn.name() == name).unwrap().op
}

const CREATE_FIRST: Op = Op::Replace(ReplaceOrder::CreateBeforeDelete);
const DELETE_FIRST: Op = Op::Replace(ReplaceOrder::DeleteBeforeCreate);

/// The actions of a plan in an order that their needs allow, as `create a`.
fn run(p: &ProgramBuilder, state: &State, plan: &Plan) -> Vec<String> {
    let actions = schedule(plan, &p.program, state, &schemas);
    let mut done: Vec<usize> = Vec::new();
    while done.len() < actions.len() {
        let next = (0..actions.len())
            .find(|i| !done.contains(i) && actions[*i].needs.iter().all(|n| done.contains(n)))
            .expect("the schedule has a circle");
        done.push(next);
    }
    let verb = |w: &Work| match w {
        Work::Create => "create",
        Work::Update => "update",
        Work::Delete { .. } => "delete",
        Work::Adopt => "adopt",
        Work::Forget { .. } => "forget",
        Work::Vanish { .. } => "vanish",
    };
    done.iter().map(|&i| format!("{} {}", verb(&actions[i].work), actions[i].urn.name())).collect()
}

#[track_caller]
fn before(order: &[String], first: &str, then: &str) {
    let at = |what: &str| order.iter().position(|o| o == what).unwrap_or_else(|| panic!("no {what:?} in {order:?}"));
    assert!(at(first) < at(then), "{first:?} is not before {then:?} in {order:?}");
}

#[test]
fn a_new_program_is_created_in_order_with_its_unknowns_named() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]).add("b", &[]);
    let reference = p.output("a", "id");
    p.set("b", "zone", reference);
    let state = State::empty("l");
    let plan = p.plan(&state).unwrap();
    assert_eq!(ops(&plan), [("a".into(), Op::Create), ("b".into(), Op::Create)]);
    let zone = plan.steps[1].diff.iter().find(|d| d.path == "zone").unwrap();
    assert_eq!(zone.after, Value::Unknown);
    before(&run(&p, &state, &plan), "create a", "create b");
}

#[test]
fn what_is_as_it_should_be_needs_nothing() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]).add("b", &["a"]);
    let reference = p.output("a", "id");
    p.set("b", "zone", reference);
    let plan = p.plan(&p.applied()).unwrap();
    assert!(plan.is_empty(), "{plan:?}");
    assert_eq!(plan.summary().same, 2);
}

#[test]
fn plans_are_the_same_byte_for_byte() {
    let mut p = ProgramBuilder::new();
    p.add("c", &[]).add("a", &["c"]).add("b", &["c"]);
    let state = State::empty("l");
    let plan = || p.plan(&state).unwrap().to_json().to_string();
    assert_eq!(plan(), plan());
}

#[test]
fn a_replacement_drags_along_only_those_that_cannot_be_changed_in_place() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]).add("replaced", &[]).add("updated", &[]).add("untouched", &["a"]);
    let (zone, tags) = (p.output("a", "id"), Expr::Map([("a".to_owned(), p.output("a", "id"))].into()));
    p.set("replaced", "zone", zone).set("updated", "tags", tags);
    let state = p.applied();
    p.set("a", "name", text("other"));
    let plan = p.plan(&state).unwrap();
    assert_eq!(op(&plan, "a"), CREATE_FIRST);
    assert_eq!(op(&plan, "replaced"), CREATE_FIRST);
    assert_eq!(op(&plan, "updated"), Op::Update);
    assert_eq!(op(&plan, "untouched"), Op::Same);
    let order = run(&p, &state, &plan);
    before(&order, "create a", "create replaced");
    before(&order, "create replaced", "delete replaced");
    before(&order, "delete replaced", "delete a");
    before(&order, "update updated", "delete a");
}

#[test]
fn objects_that_cannot_live_side_by_side_are_deleted_first_and_so_are_their_dependents() {
    let mut p = ProgramBuilder::new();
    p.add_as(&UNIQUE, "a", &[]).add("b", &[]);
    p.set("a", "size", int(1));
    let reference = p.output("a", "id");
    p.set("b", "zone", reference);
    let state = p.applied();
    p.set("a", "name", text("other"));
    let plan = p.plan(&state).unwrap();
    assert_eq!((op(&plan, "a"), op(&plan, "b")), (DELETE_FIRST, DELETE_FIRST));
    let order = run(&p, &state, &plan);
    assert_eq!(order, ["delete b", "delete a", "create a", "create b"]);

    p.set("a", "size", int(2));
    let plan = p.plan(&state).unwrap();
    assert_eq!(
        (op(&plan, "a"), op(&plan, "b")),
        (CREATE_FIRST, CREATE_FIRST),
        "the shared value changes, so both can live"
    );
}

#[test]
fn the_program_can_choose_the_order_of_a_replacement() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]);
    let state = p.applied();
    p.set("a", "name", text("other"));
    p.get("a").options.delete_before_replace = Some(true);
    assert_eq!(op(&p.plan(&state).unwrap(), "a"), DELETE_FIRST);
}

#[test]
fn an_update_makes_only_the_volatile_outputs_unknown() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]).add("stable", &[]).add("volatile", &[]);
    let (id, version) = (p.output("a", "id"), p.output("a", "version"));
    p.set("stable", "zone", id).set("volatile", "size", version);
    let state = p.applied();
    p.set("a", "size", int(9));
    let plan = p.plan(&state).unwrap();
    assert_eq!((op(&plan, "a"), op(&plan, "stable"), op(&plan, "volatile")), (Op::Update, Op::Same, Op::Update));
}

#[test]
fn a_volatile_output_that_goes_by_a_field_is_known_while_that_field_stays() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]).add("b", &[]);
    let grade = p.output("a", "grade");
    p.set("b", "zone", grade);
    let state = p.applied();
    p.set("a", "tags", Expr::Map([("a".to_owned(), text("x"))].into()));
    let plan = p.plan(&state).unwrap();
    assert_eq!((op(&plan, "a"), op(&plan, "b")), (Op::Update, Op::Same), "tags do not change the grade");
    p.set("a", "size", int(9));
    let plan = p.plan(&state).unwrap();
    assert!(matches!(op(&plan, "b"), Op::Replace(_)), "the grade goes by the size, and the zone cannot be changed");
}

#[test]
fn what_leaves_the_program_is_deleted_after_its_dependents() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]).add("b", &["a"]).add("c", &["b"]);
    let state = p.applied();
    p.program.resources.clear();
    let plan = p.plan(&state).unwrap();
    assert_eq!(run(&p, &state, &plan), ["delete c", "delete b", "delete a"]);
    let order: Vec<_> = plan.steps.iter().map(|s| s.urn.name()).collect();
    assert_eq!(order, ["c", "b", "a"]);
}

#[test]
fn a_dependent_lets_go_before_what_it_held_is_deleted() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]).add("b", &[]);
    let tags = Expr::Map([("a".to_owned(), p.output("a", "id"))].into());
    p.set("b", "tags", tags);
    let state = p.applied();
    p.program.resources.remove(0);
    p.get("b").inputs.remove("tags");
    let plan = p.plan(&state).unwrap();
    assert_eq!(run(&p, &state, &plan), ["update b", "delete a"]);
}

#[test]
fn protected_objects_are_neither_deleted_nor_replaced_and_all_are_named() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]).add("b", &[]);
    for name in ["a", "b"] {
        p.get(name).options.protect = true;
    }
    let state = p.applied();
    p.set("a", "name", text("other"));
    p.program.resources.remove(1);
    let Err(PlanError::Protected(found)) = p.plan(&state) else { panic!("not refused") };
    assert_eq!(found.iter().map(|(u, _)| u.name()).collect::<Vec<_>>(), ["a", "b"]);
    let everything = plan_destroy(&p.program.project, &p.program.stack, &state, &PlanOptions::default());
    assert!(matches!(everything, Err(PlanError::Protected(v)) if v.len() == 2));
}

#[test]
fn retained_objects_are_forgotten_and_not_deleted() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]);
    p.get("a").options.retain = true;
    let state = p.applied();
    p.program.resources.clear();
    assert_eq!(ops(&p.plan(&state).unwrap()), [("a".to_owned(), Op::Forget)]);
}

#[test]
fn a_retained_object_is_left_in_the_cloud_when_it_is_replaced() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]);
    p.get("a").options.retain = true;
    let state = p.applied();
    p.set("a", "name", text("other"));
    let plan = p.plan(&state).unwrap();
    assert_eq!(run(&p, &state, &plan), ["create a", "forget a"]);
}

#[test]
fn an_alias_is_a_rename_and_nothing_more() {
    let mut p = ProgramBuilder::new();
    p.add("old", &[]);
    p.set("old", "name", text("fixed"));
    let mut state = p.applied();
    let mut q = ProgramBuilder::new();
    q.add("new", &[]);
    q.set("new", "name", text("fixed"));
    q.get("new").options.aliases.push("old".into());
    let found = renames(&q.program, &state).unwrap();
    assert_eq!(found, [(p.urn("old"), q.urn("new"))]);
    for (from, to) in found {
        state.apply(&phx_model::state::Entry::Renamed { from, to }).unwrap();
    }
    assert!(q.plan(&state).unwrap().is_empty());
    assert!(renames(&q.program, &state).unwrap().is_empty(), "once renamed, there is nothing left to rename");
}

#[test]
fn replace_on_replaces_when_its_value_changes() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]);
    p.get("a").options.replace_on.push(text("1"));
    let state = p.applied();
    assert!(p.plan(&state).unwrap().is_empty());
    p.get("a").options.replace_on[0] = text("2");
    assert_eq!(op(&p.plan(&state).unwrap(), "a"), CREATE_FIRST);
}

#[test]
fn targets_bring_what_they_depend_on_and_nothing_else() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]).add("b", &["a"]).add("c", &["b"]).add("d", &[]);
    let options = PlanOptions { targets: vec![p.urn("b")], ..PlanOptions::default() };
    let plan = p.plan_with(&State::empty("l"), &options).unwrap();
    assert_eq!(ops(&plan), [("a".into(), Op::Create), ("b".into(), Op::Create)]);
    let state = p.applied();
    let destroy = plan_destroy(&p.program.project, &p.program.stack, &state, &options).unwrap();
    let names: Vec<_> = destroy.steps.iter().map(|s| s.urn.name()).collect();
    assert_eq!(names, ["c", "b"], "a destroy takes what depends on the target along");
    let unknown = PlanOptions { targets: vec![p.urn("nobody")], ..PlanOptions::default() };
    assert!(matches!(p.plan_with(&state, &unknown), Err(PlanError::UnknownTarget(_))));
    // What is left out is not replaced either, and whoever asked for it is told.
    let left_out = PlanOptions { targets: vec![p.urn("b")], replace: [p.urn("c")].into() };
    assert!(matches!(p.plan_with(&state, &left_out), Err(PlanError::ReplaceNotTargeted(_))));
}

#[test]
fn a_name_is_given_up_before_another_resource_takes_it() {
    let mut p = ProgramBuilder::new();
    p.add_as(&UNIQUE, "old", &[]);
    p.set("old", "size", int(7));
    let state = p.applied();
    let mut q = ProgramBuilder::new();
    q.add_as(&UNIQUE, "new", &[]);
    q.set("new", "size", int(7));
    let plan = q.plan(&state).unwrap();
    assert_eq!(run(&q, &state, &plan), ["delete old", "create new"]);
}

#[test]
fn exports_show_what_changes() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]);
    let id = p.output("a", "id");
    p.program.exports.insert("id".into(), id);
    let plan = p.plan(&State::empty("l")).unwrap();
    assert_eq!(plan.outputs["id"], (Value::Null, Value::Unknown));
    let mut state = p.applied();
    state.outputs.insert("id", Value::String("id-a".into()));
    assert!(p.plan(&state).unwrap().is_empty());
}

#[test]
fn the_hash_tells_programs_apart_and_knows_no_secret() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]);
    let first = program_hash(&p.program);
    assert_eq!(first, program_hash(&p.program));
    p.set("a", "size", int(1));
    assert_ne!(first, program_hash(&p.program));
}

#[test]
fn the_hash_knows_what_is_checked_and_what_secrets_are_made_from() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]).add("b", &[]);
    let secret = |of: Expr| Expr::Secret(Box::new(of));
    let mut with = |of: Expr| {
        p.set("b", "zone", secret(of));
        program_hash(&p.program)
    };
    assert_eq!(with(text("one")), with(text("two")), "values do not enter it");
    let of = |output: &str| Expr::Ref { urn: ProgramBuilder::new().urn("a"), output: output.to_owned() };
    assert_ne!(with(of("id")), with(of("version")), "references do");
    let unchecked = program_hash(&p.program);
    let check = phx_model::check::DeclaredCheck { name: "up".to_owned(), check: Check::dns("example.com").into() };
    p.program.checks.push(check);
    assert_ne!(unchecked, program_hash(&p.program));
}

#[test]
fn an_export_that_becomes_a_secret_is_not_shown_as_it_was() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]);
    p.program.exports.insert("key".into(), Expr::Secret(Box::new(text("hunter2"))));
    let mut state = p.applied();
    state.outputs.insert("key", Value::String("hunter2".into()));
    let plan = p.plan(&state).unwrap();
    assert!(plan.outputs.contains_key("key") && !format!("{plan:?}{}", plan.to_json()).contains("hunter2"), "{plan:?}");
    assert_eq!(p.plan(&State::empty("l")).unwrap().outputs["key"].0, Value::Null);
}

/// A plan that may adopt what was seen of these resources.
fn adopting(p: &ProgramBuilder, state: &State, seen: &[(&str, Observed)]) -> Result<Plan, PlanError> {
    let adoptable: BTreeMap<Urn, Read> =
        seen.iter().map(|(name, seen)| (p.urn(name), Read::Present(seen.clone()))).collect();
    let (gone, options) = (BTreeMap::new(), PlanOptions::default());
    plan(&PlanInput { program: &p.program, state, gone: &gone, adoptable: &adoptable, options: &options })
}

fn seen(id: &str, fields: &str) -> Observed {
    let fields = serde_json::from_str(fields).unwrap();
    Observed { fields, outputs: [("id", Value::String(id.into()))].into() }
}

#[test]
fn objects_that_refer_to_each_other_are_adopted_at_once() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]).add("b", &[]);
    let reference = p.output("a", "id");
    p.set("b", "zone", reference);
    for name in ["a", "b"] {
        p.get(name).options.import = Some(format!("id-{name}"));
    }
    let state = State::empty("l");
    let there = |zone: &str| {
        let b = format!(r#"{{"name":"b","zone":"{zone}"}}"#);
        adopting(&p, &state, &[("a", seen("id-a", r#"{"name":"a"}"#)), ("b", seen("id-b", &b))])
    };
    let plan = there("id-a").unwrap();
    assert_eq!(ops(&plan), [("a".into(), Op::Adopt), ("b".into(), Op::Adopt)]);
    assert!(plan.steps.iter().all(|step| step.diff.is_empty()), "{plan:?}");
    assert!(matches!(there("id-x"), Err(PlanError::AdoptedDiffers { .. })));
}

#[test]
fn an_object_is_one_resources_only() {
    let mut old = ProgramBuilder::new();
    old.add("old", &[]);
    let mut state = old.applied();
    // The resource has got another name. To adopt its object for the new one and delete it for the old one would be the end of it.
    let mut p = ProgramBuilder::new();
    p.add("new", &[]).set("new", "name", text("old"));
    p.get("new").options.import = Some("id-old".into());
    let there = || seen("id-old", r#"{"name":"old"}"#);
    let error = adopting(&p, &state, &[("new", there())]).unwrap_err();
    assert!(matches!(&error, PlanError::AdoptedTwice { other, .. } if *other == old.urn("old")), "{error}");
    assert!(error.to_string().contains("alias"), "{error}");
    // What is let go is free.
    state.resources.get_mut(&old.urn("old")).unwrap().retain = true;
    let plan = adopting(&p, &state, &[("new", there())]).unwrap();
    assert_eq!(ops(&plan), [("new".into(), Op::Adopt), ("old".into(), Op::Forget)]);
    // Two of one program cannot have it, either.
    p.add("other", &[]).set("other", "name", text("old"));
    p.get("other").options.import = Some("id-old".into());
    let error = adopting(&p, &State::empty("l"), &[("new", there()), ("other", there())]).unwrap_err();
    assert!(matches!(&error, PlanError::AdoptedTwice { other, .. } if *other == p.urn("new")), "{error}");
}

#[test]
fn what_nobody_can_read_does_not_keep_an_object_from_being_adopted() {
    static SHUT: Schema = Schema {
        fields: &[
            Field { name: "name", replace: true, ..FIELD },
            Field { name: "key", replace: true, secret: true, write_only: true, ..FIELD },
        ],
        ..copy(&THING)
    };
    let mut p = ProgramBuilder::new();
    p.add_as(&SHUT, "a", &[]).set("a", "key", Expr::Secret(Box::new(text("hunter2"))));
    p.get("a").options.import = Some("id-a".into());
    let plan = adopting(&p, &State::empty("l"), &[("a", seen("id-a", r#"{"name":"a"}"#))]).unwrap();
    let step = &plan.steps[0];
    assert_eq!((step.op, step.diff.len()), (Op::Adopt, 0), "{step:?}");
    assert!(step.reasons.iter().any(|why| why.starts_with("key cannot be read")), "{step:?}");
    let adopted = step.adopted.as_ref().unwrap();
    assert_eq!(adopted.inputs["key"], Value::String("hunter2".into()).secret());
}

#[test]
fn what_differs_about_an_object_to_adopt_is_named_and_secrets_are_not_shown() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]).set("a", "name", Expr::Secret(Box::new(text("mine"))));
    p.get("a").options.import = Some("id-a".into());
    let error = adopting(&p, &State::empty("l"), &[("a", seen("id-a", r#"{"name":"hunter2"}"#))]).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("name is (secret)") && !said.contains("hunter2") && !said.contains("mine"), "{said}");
}

#[test]
fn an_alias_names_a_resource_of_the_same_type() {
    let mut old = ProgramBuilder::new();
    old.add("old", &[]);
    let mut p = ProgramBuilder::new();
    p.add_as(&UNIQUE, "new", &[]);
    p.get("new").options.aliases.push(old.urn("old").to_string());
    let error = renames(&p.program, &old.applied()).unwrap_err();
    assert!(matches!(error, PlanError::Alias { .. }) && error.to_string().contains("test:unit:Unique"), "{error}");
    assert_eq!(renames(&p.program, &State::empty("l")), Ok(Vec::new()), "of what there is nothing, nothing is lost");
}

#[test]
fn what_a_replacement_was_to_leave_in_the_cloud_is_left_by_the_next_run_too() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]);
    let mut state = p.applied();
    let record = Record { id: "old-a".into(), retain: true, ..Record::default() };
    state.deposed.push_back(Deposed { urn: p.urn("a"), record });
    let plan = p.plan(&state).unwrap();
    assert_eq!(ops(&plan), [("a".into(), Op::Same), ("a".into(), Op::Forget)]);
    assert_eq!(run(&p, &state, &plan), ["forget a"]);
}

#[test]
fn of_two_objects_of_one_id_the_old_one_is_deleted_first() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]);
    let mut state = p.applied();
    let record = Record { provider: ProviderKey("elsewhere".into()), ..state.resources[&p.urn("a")].clone() };
    state.deposed.push_back(Deposed { urn: p.urn("a"), record });
    let plan = plan_destroy(&p.program.project, &p.program.stack, &state, &PlanOptions::default()).unwrap();
    let actions = schedule(&plan, &p.program, &state, &schemas);
    let old = actions.iter().position(|a| plan.steps[a.step].op == Op::DeleteDeposed).unwrap();
    let own = actions.iter().find(|a| plan.steps[a.step].op == Op::Delete).unwrap();
    assert_eq!(own.needs, [old]);
}

#[test]
fn a_name_changes_hands_though_a_dependent_goes_over_to_the_new_object() {
    let with = |name: &str| {
        let mut p = ProgramBuilder::new();
        p.add_as(&UNIQUE, name, &[]).add("user", &[]).set(name, "size", int(7));
        let uses = Expr::Map([("uses".to_owned(), p.output(name, "id"))].into());
        p.set("user", "tags", uses);
        p
    };
    let (state, p) = (with("old").applied(), with("new"));
    let plan = p.plan(&state).unwrap();
    assert_eq!(run(&p, &state, &plan), ["delete old", "create new", "update user"]);
}

#[test]
fn a_name_that_an_old_object_still_has_is_given_up_before_it_is_taken_again() {
    let mut p = ProgramBuilder::new();
    p.add_as(&UNIQUE, "a", &[]);
    p.set("a", "size", int(2));
    let mut state = p.applied();
    let record = Record { id: "old-a".into(), inputs: [("size", Value::Int(1))].into(), ..Record::default() };
    state.deposed.push_back(Deposed { urn: p.urn("a"), record });
    // Back to the name from before.
    p.set("a", "size", int(1)).set("a", "name", text("other"));
    let plan = p.plan(&state).unwrap();
    assert_eq!(op(&plan, "a"), CREATE_FIRST);
    assert_eq!(run(&p, &state, &plan), ["delete a", "create a", "delete a"]);
}

#[test]
fn taking_the_protection_off_is_enough_to_replace() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]);
    p.get("a").options.protect = true;
    let state = p.applied();
    p.set("a", "name", text("other"));
    assert!(matches!(p.plan(&state), Err(PlanError::Protected(_))));
    p.get("a").options.protect = false;
    assert_eq!(op(&p.plan(&state).unwrap(), "a"), CREATE_FIRST);
}

#[test]
fn objects_that_seem_to_need_each_other_are_all_deleted() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]).add("b", &["a"]);
    let mut state = p.applied();
    // An older object of a, from when a still needed b.
    let record = Record { id: "old-a".into(), depends_on: [p.urn("b")].into(), ..Record::default() };
    state.deposed.push_back(phx_model::state::Deposed { urn: p.urn("a"), record });
    let plan = plan_destroy(&p.program.project, &p.program.stack, &state, &PlanOptions::default()).unwrap();
    assert_eq!(plan.steps.len(), 3, "{:?}", ops(&plan));
    let nothing = Program { resources: Vec::new(), ..p.program.clone() };
    let actions = schedule(&plan, &nothing, &state, &schemas);
    assert!(actions.iter().any(|a| a.needs.is_empty()));
    assert_eq!(run(&p, &state, &plan).len(), 3);
}

#[test]
fn a_delete_does_not_wait_for_an_update_that_waits_for_it() {
    let mut p = ProgramBuilder::new();
    p.add_as(&UNIQUE, "shared", &[]).add("old", &[]).add("new", &[]).add("user", &[]);
    p.set("shared", "size", int(1));
    let shared = p.output("shared", "id");
    p.set("old", "zone", shared.clone()).set("new", "zone", shared);
    let uses = |p: &ProgramBuilder, name| Expr::Map([("uses".to_owned(), p.output(name, "id"))].into());
    let (of_old, of_new) = (uses(&p, "old"), uses(&p, "new"));
    p.set("user", "tags", of_old);
    let state = p.applied();
    // `shared` must go before its successor comes, so `old` and `new` must; and `user` leaves `old`, which is removed, for `new`.
    p.set("shared", "name", text("other")).set("user", "tags", of_new);
    p.program.resources.retain(|d| d.urn.name() != "old");
    let plan = p.plan(&state).unwrap();
    let order = run(&p, &state, &plan);
    before(&order, "delete old", "delete shared");
    before(&order, "create new", "update user");
}

#[test]
fn what_is_dragged_along_does_not_depend_on_the_order_of_declaration() {
    let mut p = ProgramBuilder::new();
    p.add_as(&UNIQUE, "a", &[]).add("b", &["a"]);
    p.set("a", "size", int(1));
    let state = p.applied();
    p.set("a", "name", text("other")).set("b", "name", text("other"));
    p.get("b").options.depends_on.clear();
    let plan = p.plan(&state).unwrap();
    p.program.resources.reverse();
    let reversed = p.plan(&state).unwrap();
    assert_eq!((op(&plan, "b"), op(&reversed, "b")), (DELETE_FIRST, DELETE_FIRST));
}

#[test]
fn what_an_unfinished_object_will_still_decide_is_unknown() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]).add("b", &[]);
    let mut state = p.applied();
    let record = state.resources.get_mut(&p.urn("a")).unwrap();
    record.incomplete = true;
    record.outputs.remove("version");
    let (id, version) = (p.output("a", "id"), p.output("a", "version"));
    p.set("b", "size", version).set("b", "tags", Expr::Map([("a".to_owned(), id)].into()));
    let plan = p.plan(&state).unwrap();
    let b = plan.steps.iter().find(|s| s.urn.name() == "b").unwrap();
    let after: Vec<_> = b.diff.iter().map(|d| (d.path.as_str(), d.after.has_unknown())).collect();
    assert_eq!(after, [("size", true), ("tags", false)]);
}

/// A destroy of all that a program has, in an order that is allowed.
fn destroyed(p: &ProgramBuilder) -> Vec<String> {
    let state = p.applied();
    let plan = plan_destroy(&p.program.project, &p.program.stack, &state, &PlanOptions::default()).unwrap();
    let order = run(p, &state, &plan);
    assert_eq!(order.len(), state.resources.len(), "{order:?}");
    order
}

#[test]
fn a_part_goes_with_its_whole_and_others_wait_for_that() {
    let mut p = ProgramBuilder::new();
    p.add("whole", &[]).add("peer", &[]).add_as(&PART, "part", &["peer"]).add("user", &["part"]);
    let whole = p.output("whole", "id");
    p.set("part", "zone", whole);
    let order = destroyed(&p);
    before(&order, "delete user", "delete whole");
    before(&order, "delete whole", "vanish part");
    before(&order, "vanish part", "delete peer");
}

#[test]
fn parts_of_parts_go_with_the_outermost_whole() {
    let mut p = ProgramBuilder::new();
    p.add("whole", &[]).add_as(&PART, "part", &[]).add_as(&PART, "inner", &[]).add("user", &["inner"]);
    let (whole, part) = (p.output("whole", "id"), p.output("part", "id"));
    p.set("part", "zone", whole).set("inner", "zone", part);
    let order = destroyed(&p);
    assert_eq!(order, ["delete user", "delete whole", "vanish part", "vanish inner"]);
}

#[test]
fn parts_that_hold_each_others_wholes_are_deleted_by_themselves() {
    let mut p = ProgramBuilder::new();
    p.add("a", &[]).add("b", &[]).add("c", &[]);
    for (part, whole, peer) in [("a-b", "a", "b"), ("b-a", "b", "a"), ("c-a", "c", "a")] {
        let whole = p.output(whole, "id");
        p.add_as(&PART, part, &[peer]).set(part, "zone", whole);
    }
    let order = destroyed(&p);
    for part in ["a-b", "b-a"] {
        before(&order, &format!("delete {part}"), "delete a");
        before(&order, &format!("delete {part}"), "delete b");
    }
    before(&order, "vanish c-a", "delete a");
}

#[test]
fn parts_do_not_make_a_long_chain_of_what_could_go_side_by_side() {
    let mut p = ProgramBuilder::new();
    p.add("g0", &[]);
    for n in 1..100 {
        let (group, peer, rule) = (format!("g{n}"), format!("g{}", n - 1), format!("r{n}"));
        p.add(&group, &[]);
        let whole = p.output(&group, "id");
        p.add_as(&PART, &rule, &[&peer]).set(&rule, "zone", whole);
    }
    let state = p.applied();
    let plan = plan_destroy(&p.program.project, &p.program.stack, &state, &PlanOptions::default()).unwrap();
    let actions = schedule(&plan, &p.program, &state, &schemas);
    let calls: Vec<u64> = actions.iter().map(|a| u64::from(!matches!(a.work, Work::Vanish { .. }))).collect();
    let longest = crate::schedule::longest_way(&actions, &calls);
    assert!((2..=7).contains(&longest), "{longest} calls one after the other");
    let own = calls.iter().sum::<u64>() - 100;
    assert!((15..=25).contains(&own), "{own} of 99 rules take a call of their own");
}

#[test]
fn a_part_whose_whole_stays_is_deleted() {
    let mut p = ProgramBuilder::new();
    p.add("whole", &[]).add_as(&PART, "part", &[]);
    let whole = p.output("whole", "id");
    p.set("part", "zone", whole);
    let state = p.applied();
    p.program.resources.retain(|d| d.urn.name() == "whole");
    let plan = p.plan(&state).unwrap();
    assert_eq!(run(&p, &state, &plan), ["delete part"]);
}

#[test]
fn what_takes_longest_by_experience_begins_first() {
    let mut p = ProgramBuilder::new();
    p.add("quick", &[]).add_as(&UNIQUE, "slow", &[]).add("after", &["slow"]);
    let mut state = State::empty("l");
    state.durations.insert(State::verb_of(UNIQUE.type_name, "create"), 90_000);
    state.durations.insert(State::verb_of(THING.type_name, "create"), 200);
    let actions = schedule(&p.plan(&state).unwrap(), &p.program, &state, &schemas);
    let depths: Vec<u64> = actions.iter().map(|a| a.depth).collect();
    assert_eq!(depths, [200, 90_200, 200]);
    assert_eq!(crate::schedule::longest_way(&actions, &[7, 5, 4]), 9);
}
