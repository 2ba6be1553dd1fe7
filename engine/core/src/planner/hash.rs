//! What tells one program from another.

use std::fmt::{Arguments, Write as _};

use phx_model::provider::Home;
use phx_model::{Expr, Program};
use sha2::{Digest, Sha256};

/// SHA-256 of everything that the program says, in hexadecimal; also of its checks, which `up` makes and people approve with the plan. Secret values
/// do not enter it, but what they are made from does.
pub fn program_hash(program: &Program) -> String {
    let (mut hasher, mut line) = (Sha256::new(), String::new());
    let mut write = |text: Arguments<'_>| {
        // A line at a time: a hasher is slow with small pieces. Writing to text cannot fail.
        line.clear();
        let _ = line.write_fmt(text);
        hasher.update(line.as_bytes());
    };
    write(format_args!("{} {}\n", program.project, program.stack));
    for d in &program.resources {
        write(format_args!("{} {:?} {:?}\n", d.urn, d.inputs, d.options));
        d.inputs.values().chain(&d.options.replace_on).for_each(|expression| hidden(expression, &mut write));
    }
    if program.home != Home::default() {
        write(format_args!("{:?}\n", program.home));
    }
    for (key, provider) in &program.providers {
        // All of it, as it is stored: what it shows to people leaves something out.
        let said = serde_json::to_string(provider).unwrap_or_default();
        write(format_args!("{key:?} {said}\n"));
    }
    write(format_args!("{:?}", program.exports));
    program.exports.values().for_each(|expression| hidden(expression, &mut write));
    for check in &program.checks {
        write(format_args!("\n{check:?}"));
        check.check.probe.expressions().into_iter().for_each(|expression| hidden(expression, &mut write));
    }
    hex::encode(hasher.finalize())
}

/// Writes what the form of a secret expression leaves out: what it refers to, and no value.
fn hidden(expression: &Expr, write: &mut impl FnMut(Arguments<'_>)) {
    expression.visit(&mut |outer| {
        if let Expr::Secret(inner) = outer {
            inner.visit(&mut |part| {
                if let Expr::Ref { .. } | Expr::Configured(_) = part {
                    write(format_args!("\n{part:?}"));
                }
            });
        }
    });
}
