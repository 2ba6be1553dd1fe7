//! The examples of `acm` in the reference. Made by `engine/cli/src/docs/tests.rs`.

/// The examples by their types.
pub(crate) const ALL: &[crate::Example] = &[
    ("aws:acm:Certificate", certificate_example::program),
    ("aws:acm:CertificateValidation", certificate_validation_example::program),
];

mod certificate_example {
    use phx::aws::acm::{Certificate, DomainValidationOption};
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let certificate = stack.add(
            "main",
            Certificate::new("example.com")
                .subject_alternative_names(["main"])
                .validation_method("DNS")
                .domain_validation_options([DomainValidationOption::new("main", "main")])
                .tag("Name", "main"),
        )?;
        stack.export("arn", certificate.arn())?;
        Ok(())
    }
}

mod certificate_validation_example {
    use phx::aws::Arn;
    use phx::aws::acm::CertificateValidation;
    use phx::prelude::*;

    pub(super) fn program(stack: &mut Stack) -> Result<()> {
        let certificate_validation = stack.add(
            "main",
            CertificateValidation::new(
                Arn::new("arn:aws:acm:us-west-2:123456789012:certificate/1234abcd-12ab-34cd-56ef-1234567890ab"),
            )
                .validation_record_fqdns(["main"]),
        )?;
        stack.export("arn", certificate_validation.arn())?;
        Ok(())
    }
}

/// What the pages name, by that name.
#[allow(unused_imports)]
mod blocks {
    use phx::aws::acm::{CertificateOptions, DomainValidationOption};
}
