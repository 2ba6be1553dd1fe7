//! What the components have in common: names, protection, and how a role, a key or a bucket is made here.

use phx::aws::Arn;
use phx::aws::ec2::Vpc;
use phx::aws::iam::policy::{PolicyDocument, Principal, Statement};
use phx::aws::iam::{Role, RolePolicyAttachment};
use phx::aws::kms::{Alias, Key};
use phx::aws::s3::{
    Bucket, BucketPolicy, LifecycleConfiguration, PublicAccessBlockConfiguration, ServerSideEncryptionConfiguration,
    VersioningConfiguration,
};
use phx::aws::secretsmanager::Secret;
use phx::prelude::*;

use crate::config::Config;

/// What every component is told.
pub(crate) struct Platform<'a> {
    /// What the stack's file says.
    pub config: &'a Config,
    /// The VPC, which is always there.
    pub vpc: Handle<Vpc>,
    /// The most that any role here may ever do.
    pub boundary: Option<Output<Arn>>,
}

/// Text as an ARN: for one that is put together.
pub(crate) fn arn(text: impl Into<Input<String>>) -> Input<Arn> {
    Input::from_expr(text.into().into_expr())
}

/// One of AWS's own policies, by its name with its path.
fn managed_policy(name: &str) -> Arn {
    Arn::new(format!("arn:aws:iam::aws:policy/{name}"))
}

impl Platform<'_> {
    /// The name of something in this environment.
    pub(crate) fn name(&self, what: &str) -> String {
        self.config.name(what)
    }

    /// The account that all of this lies in.
    pub(crate) fn account(&self) -> Input<String> {
        self.vpc.owner_id().into()
    }

    /// The ARN of something in this account and region, which may not be there yet.
    pub(crate) fn arn_of(&self, service: &str, what: &str) -> Input<String> {
        phx::format!("arn:aws:{}:{}:{}:{}", service, self.config.region(), self.account(), what)
    }

    /// The options of what cannot be made again.
    pub(crate) fn stateful(&self) -> Options {
        Options::new().protect(self.config.protect())
    }

    /// A secret of this environment, `phoenix/<environment>/<name>`. What is protected can be had back for a month; the rest goes at once.
    pub(crate) fn secret(&self, name: &str, key: &Handle<Key>) -> Secret {
        let secret = Secret::new(format!("phoenix/{}/{name}", self.config.environment)).kms_key_id(key.arn());
        match self.config.protect() {
            true => secret.recovery_window_in_days(30),
            false => secret.force_delete_without_recovery(true),
        }
    }

    /// A role of this platform, which the boundary limits.
    pub(crate) fn role(&self, what: &str, purpose: &str, trust: PolicyDocument) -> Role {
        let role = Role::new(self.name(what), trust).description(purpose);
        match &self.boundary {
            Some(boundary) => role.permissions_boundary(boundary),
            None => role,
        }
    }

    /// Declares a role with some of AWS's own policies. The attachments are told, so that what needs the rights can wait for them.
    pub(crate) fn role_with(
        &self,
        scope: &Scope,
        what: &str,
        purpose: &str,
        trust: PolicyDocument,
        policies: &[&str],
    ) -> Result<(Handle<Role>, Vec<Handle<RolePolicyAttachment>>)> {
        let role = scope.add(what, self.role(what, purpose, trust))?;
        let mut attached = Vec::new();
        for policy in policies {
            let short = policy.rsplit('/').next().unwrap_or(policy);
            let attachment = RolePolicyAttachment::new(role.role_name(), managed_policy(policy));
            attached.push(scope.add(&format!("{what}-{short}"), attachment)?);
        }
        Ok((role, attached))
    }

    /// Declares a key that is renewed every year, and its alias. The account's own policies say who uses it, and `services` which services do.
    pub(crate) fn key(
        &self,
        scope: &Scope,
        what: &str,
        purpose: &str,
        services: Vec<Statement>,
    ) -> Result<Handle<Key>> {
        self.key_with(scope, what, purpose, services, self.stateful())
    }

    /// The same, with options.
    pub(crate) fn key_with(
        &self,
        scope: &Scope,
        what: &str,
        purpose: &str,
        services: Vec<Statement>,
        options: Options,
    ) -> Result<Handle<Key>> {
        let account = Principal::aws(phx::format!("arn:aws:iam::{}:root", self.account()));
        let own = Statement::allow().sid("Account").principal(account).action("kms:*").resource("*");
        let key = Key::new()
            .description(purpose)
            .policy(PolicyDocument::new().statement(own).statements(services))
            .enable_key_rotation(true)
            .pending_window_in_days(if self.config.is_production() { 30 } else { 7 })
            .tag("Name", self.name(what));
        let key = scope.add_with(what, key, options)?;
        scope.add(what, Alias::new(format!("alias/{}", self.name(what)), key.id()))?;
        Ok(key)
    }

    /// Lets services of this account encrypt with a key and read what they encrypted.
    pub(crate) fn key_for(&self, services: &[&str]) -> Statement {
        let statement = services.iter().fold(Statement::allow(), |s, name| s.principal(Principal::service(*name)));
        statement.actions(["kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"]).resource("*").condition(
            "StringEquals",
            "aws:SourceAccount",
            self.account(),
        )
    }

    /// Lets CloudWatch Logs encrypt log groups whose names begin so.
    pub(crate) fn key_for_logs(&self, groups: &str) -> Statement {
        let groups = phx::format!("{}{}", self.arn_of("logs", "log-group:"), groups);
        Statement::allow()
            .sid("Logs")
            .principal(Principal::service(format!("logs.{}.amazonaws.com", self.config.region())))
            .actions(["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"])
            .resource("*")
            .condition("ArnLike", "kms:EncryptionContext:aws:logs:arn", groups)
    }

    /// A bucket that is private, versioned and encrypted. The account is in its name, which must be the only one in the world.
    pub(crate) fn bucket(&self, what: &str, key: &Handle<Key>) -> Bucket {
        let encryption =
            ServerSideEncryptionConfiguration::new("aws:kms").kms_master_key_id(key.arn()).bucket_key_enabled(true);
        let private = PublicAccessBlockConfiguration::new()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true);
        Bucket::new(phx::format!("{}-{}", self.name(what), self.account()))
            .object_ownership("BucketOwnerEnforced")
            .versioning_configuration(VersioningConfiguration::new("Enabled"))
            .server_side_encryption_configuration(encryption)
            .public_access_block_configuration(private)
            // Where nothing is protected, what is in it is test data.
            .force_destroy(!self.config.protect())
    }

    /// Declares a bucket with its policy: nobody gets in but by TLS, and `statements` say who else gets in.
    pub(crate) fn add_bucket(
        &self,
        scope: &Scope,
        what: &str,
        bucket: Bucket,
        lifecycle: LifecycleConfiguration,
        statements: impl FnOnce(&Handle<Bucket>) -> Vec<Statement>,
    ) -> Result<(Handle<Bucket>, Handle<BucketPolicy>)> {
        let bucket = scope.add_with(what, bucket.lifecycle_configuration(lifecycle), self.stateful())?;
        let policy = PolicyDocument::new().statement(tls_only(&bucket)).statements(statements(&bucket));
        let policy = scope.add(what, BucketPolicy::new(bucket.bucket(), policy))?;
        Ok((bucket, policy))
    }
}

/// Refuses what does not come by TLS.
fn tls_only(bucket: &Handle<Bucket>) -> Statement {
    Statement::deny()
        .sid("TlsOnly")
        .principal(Principal::everyone())
        .action("s3:*")
        .resource(bucket.arn())
        .resource(phx::format!("{}/*", bucket.arn()))
        .condition("Bool", "aws:SecureTransport", "false")
}
