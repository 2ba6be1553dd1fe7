//! The examples of `guardduty` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:guardduty:Detector", detector_example::program),
];

mod detector_example {
    use phx::aws::guardduty::Detector;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let detector = stack.add(
            "main",
            Detector::new(true)
                .finding_publishing_frequency("FIFTEEN_MINUTES")
                .tag("Name", "main"),
        )?;
        stack.export("id", detector.id())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::guardduty::{AdditionalConfiguration, Feature};
}
