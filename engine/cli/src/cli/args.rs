//! The command line as it is written.

use std::path::PathBuf;
use std::time::Duration;

use crate::project::parse_duration;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

/// Infrastructure as code in Rust
#[derive(Debug, Parser)]
#[command(name = "phx", version, max_term_width = 100, subcommand_required = true)]
#[command(
    after_help = "AWS credentials, profile, region and endpoint come from where the aws CLI has them (AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL, …).\n\
Exit codes: 0 done, 1 error, 2 changes found (--detailed-exitcode), 3 leased by someone else, 5 stale plan, 64 wrong usage, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// The stack [env: PHX_STACK; else `stack` in phx.toml]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) stack: Option<String>,
    /// The project's folder, instead of the current one
    #[arg(short = 'C', global = true, value_name = "DIR", overrides_with = "directory")]
    pub(crate) directory: Option<PathBuf>,
    /// Machine output on stdout, people's output on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Do not ask before a change
    #[arg(long, short, global = true)]
    pub(crate) yes: bool,
    /// No colours [env: NO_COLOR]
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// More: unchanged resources, whole values, each step's beginning
    #[arg(long, short, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Less: one line a step, no progress
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Where state is kept [env: PHX_STATE; else `[state] url` in phx.toml; else file://.phx]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) state: Option<String>,
    /// Run against the embedded AWS emulator; real AWS cannot be reached
    #[arg(long, global = true)]
    pub(crate) sandbox: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a new project that builds and previews
    New(New),
    /// Show what `up` would do; change nothing, not even state
    #[command(alias = "plan")]
    Preview(Preview),
    /// Create, change and delete until the cloud is as the program says
    Up(Up),
    /// Delete everything that the stack has
    Destroy(Destroy),
    /// Record what the cloud has
    Refresh(Refresh),
    /// Show what someone else has changed in the cloud; change nothing, take no lease
    Drift(Drift),
    /// Make the program's checks, as `up` does in the end; change nothing, take no lease
    Verify,
    /// Whether the program can be what it says, without a call; or the least IAM policy that it takes
    Check(Check),
    /// What phx remembers, and where it is kept
    #[command(subcommand)]
    State(State),
    /// Stacks, their outputs and their history
    #[command(subcommand)]
    Stack(Stack),
    /// The lease that keeps two runs apart
    #[command(subcommand)]
    Lock(Lock),
    /// Secrets that are configured for the stack, encrypted
    #[command(subcommand)]
    Secret(Secret),
    /// The dependencies between the program's resources
    Graph(Graph),
    /// Resource types and their fields
    Schema(Schema),
    /// The embedded AWS emulator as a server, for other tools
    #[command(subcommand)]
    Sandbox(Sandbox),
    /// The points at which `PHX_CRASH_AT` can end the process
    #[cfg(feature = "crash-points")]
    #[command(hide = true)]
    CrashPoints,
    /// Completions for a shell, to be sourced
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Args, Debug)]
pub(crate) struct New {
    /// The project's folder; its name becomes the project's
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// The folder of the `phx` crate to build with
    #[arg(long, value_name = "DIR")]
    pub(crate) phx_path: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Refreshing {
    /// Ask the cloud first; `--refresh=false` goes by what was recorded last
    #[arg(
        long, value_name = "BOOL", default_value_t = true, default_missing_value = "true", num_args = 0..=1,
        require_equals = true, action = ArgAction::Set
    )]
    pub(crate) refresh: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Waiting {
    /// Wait so long for a lease that someone else holds (10s, 5m), instead of giving up at once
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "0s", hide_default_value = true)]
    pub(crate) wait_lock: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct Refresh {
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

#[derive(Args, Debug)]
pub(crate) struct Drift {
    /// Every stack of the project that has a state
    #[arg(long)]
    pub(crate) all: bool,
    /// Write metrics for Prometheus to this file, which is replaced as a whole
    #[arg(long, value_name = "FILE")]
    pub(crate) metrics: Option<PathBuf>,
    /// Tell someone: pagerduty:, slack:https://…, https://…, arn:aws:sns:…; can be repeated
    #[arg(long, value_name = "URL", value_parser = crate::notify::UrlParser)]
    pub(crate) notify: Vec<crate::notify::Target>,
    /// Look for objects as well that bear the stack's mark and are in no state
    #[arg(long)]
    pub(crate) orphans: bool,
    /// Look again and again (30s, 10m, 1h; at least 10s), and serve /metrics and /healthz
    #[arg(long, value_name = "INTERVAL", value_parser = parse_interval)]
    pub(crate) watch: Option<Duration>,
    /// Where --watch serves
    #[arg(long, value_name = "ADDR", requires = "watch", default_value = "127.0.0.1:9464")]
    pub(crate) listen: std::net::SocketAddr,
    /// Exit with 2 if there is drift; `--detailed-exitcode=false` exits with 0
    #[arg(
        long, value_name = "BOOL", default_value_t = true, default_missing_value = "true", num_args = 0..=1,
        require_equals = true, action = ArgAction::Set
    )]
    pub(crate) detailed_exitcode: bool,
}

/// How often something may be asked of AWS without being a burden.
fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text)?;
    if interval < Duration::from_secs(10) {
        return Err(format!("{text:?} is too short; the shortest interval is 10s"));
    }
    Ok(interval)
}

#[derive(Args, Debug)]
pub(crate) struct Check {
    /// Print the least IAM policy for what the plan says, as JSON
    #[arg(long)]
    pub(crate) permissions: bool,
    /// What is to be permitted: what `up` would do now, if nothing is said
    #[arg(long, value_enum, requires = "permissions")]
    pub(crate) operation: Option<Purpose>,
    /// With `--operation drift` or `all`: what looking for orphans takes as well
    #[arg(long, requires = "permissions")]
    pub(crate) orphans: bool,
    #[command(flatten)]
    pub(crate) refreshing: Refreshing,
}

/// What a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// What `up` would do now
    Up,
    /// What `destroy` would do now
    Destroy,
    /// Reading everything
    Drift,
    /// The program's checks
    Verify,
    /// Whatever the program's types may ever need
    All,
}

impl Purpose {
    /// The word for it on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Destroy => "destroy",
            Self::Drift => "drift",
            Self::Verify => "verify",
            Self::All => "all",
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Targets {
    /// Only this resource and what it needs (a URN or an unambiguous name); can be repeated
    #[arg(long, value_name = "URN")]
    pub(crate) target: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Preview {
    #[command(flatten)]
    pub(crate) refreshing: Refreshing,
    #[command(flatten)]
    pub(crate) targets: Targets,
    /// Replace this resource; can be repeated
    #[arg(long, value_name = "URN")]
    pub(crate) replace: Vec<String>,
    /// Exit with 2 if there is something to do
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    /// Save the plan, for `up --plan`
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) refreshing: Refreshing,
    #[command(flatten)]
    pub(crate) targets: Targets,
    /// Do exactly what this saved plan says, without asking; refused if program or state have moved on since
    #[arg(long, value_name = "FILE", conflicts_with_all = ["refresh", "target", "replace"])]
    pub(crate) plan: Option<PathBuf>,
    /// Replace this resource; can be repeated
    #[arg(long, value_name = "URN")]
    pub(crate) replace: Vec<String>,
    /// At most so many steps work at once; those that wait for the cloud do not count, instead of as many as AWS takes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) parallel: Option<u32>,
    /// Go on with whatever does not need what failed, which is what `up` always does
    #[arg(long = "continue-on-error")]
    _continue_on_error: bool,
    /// Make the program's checks once everything is done and recorded; `--verify=false` leaves them out
    #[arg(
        long, value_name = "BOOL", default_value_t = true, default_missing_value = "true", num_args = 0..=1,
        require_equals = true, action = ArgAction::Set
    )]
    pub(crate) verify: bool,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

#[derive(Args, Debug)]
pub(crate) struct Destroy {
    #[command(flatten)]
    pub(crate) refreshing: Refreshing,
    /// Only this resource and what needs it (a URN or an unambiguous name); can be repeated
    #[arg(long, value_name = "URN")]
    pub(crate) target: Vec<String>,
    /// At most so many steps work at once; those that wait for the cloud do not count, instead of as many as AWS takes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) parallel: Option<u32>,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

#[derive(Debug, Subcommand)]
pub(crate) enum State {
    /// Make the store ready: bucket and table, as they should be
    Init {
        /// Only print the least IAM policy that working with the store takes
        #[arg(long)]
        print_policy: bool,
    },
    /// All resources
    List,
    /// One resource with its inputs and outputs
    Show {
        /// Its URN or unambiguous name
        urn: String,
    },
    /// Give a resource another name, without touching its object
    Mv {
        /// The resource: its URN or unambiguous name
        old: String,
        /// Its new URN or name
        new: String,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Forget resources, and what was begun on them; their objects stay in the cloud
    Rm {
        /// Their URNs or unambiguous names
        #[arg(required = true, value_name = "URN")]
        urns: Vec<String>,
        /// Also if others depend on them, or they are protected
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Write the state and its history as one JSON document
    Export {
        /// The file; without, stdout
        file: Option<PathBuf>,
    },
    /// Put an exported state in the store
    Import {
        /// The file; `-` is stdin
        file: PathBuf,
        /// Also in place of a state of another lineage, or one that has come further
        #[arg(long)]
        force: bool,
    },
    /// Read everything that is kept of the stack, and name what is wrong with it
    Verify,
    /// Go back to an earlier checkpoint; without --to, list them, or go back from damage
    Rollback {
        /// The checkpoint's serial
        #[arg(long, value_name = "SERIAL")]
        to: Option<u64>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Stack {
    /// All stacks of the project
    List,
    /// What the stack exports
    Outputs {
        /// Only this one, as a bare value
        name: Option<String>,
        /// Show secrets as well
        #[arg(long)]
        show_secrets: bool,
    },
    /// The stack's finished operations
    History,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Lock {
    /// Who holds the stack's lease
    Status,
    /// Take the lease away from its holder, who can write nothing more
    Break,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Secret {
    /// Set a secret: its value comes from stdin, or is asked for
    Set {
        /// Its name, as the program asks for it
        name: String,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Show a secret's value in plaintext
    Get {
        /// Its name
        name: String,
    },
    /// The names of the secrets that are set
    List,
    /// Remove a secret
    Rm {
        /// Its name
        name: String,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Encrypt all secrets of the stack anew, with a new key
    Rotate {
        /// Wrap the new key with this KMS key: an id, an ARN or alias/NAME
        #[arg(long, value_name = "KEY", conflicts_with = "passphrase")]
        kms: Option<String>,
        /// Wrap it with a passphrase: PHX_NEW_PASSPHRASE, or asked for
        #[arg(long)]
        passphrase: bool,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Graph {
    /// The form
    #[arg(long, value_enum, default_value_t = GraphFormat::Dot)]
    pub(crate) format: GraphFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// Graphviz
    Dot,
    /// JSON
    Json,
}

#[derive(Args, Debug)]
pub(crate) struct Schema {
    /// A type, by phx's, Terraform's or CloudFormation's name for it; without, all of them
    #[arg(value_name = "TYPE")]
    pub(crate) name: Option<String>,
    /// Write a book of all types into a folder: the source of an mdBook, with a guide from Terraform
    #[arg(long, value_name = "DIR", conflicts_with = "name")]
    pub(crate) docs: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Sandbox {
    /// Start a server for this project's sandbox
    Start {
        /// The port on 127.0.0.1; 0 takes any that is free
        #[arg(long, default_value_t = 4599)]
        port: u16,
        /// Serve in this process, until it is stopped
        #[arg(long)]
        foreground: bool,
    },
    /// Stop the server
    Stop,
    /// Whether it runs, and where
    Status,
    /// Throw away everything in the emulator
    Reset,
}

impl Command {
    /// Whether the command works on what the program writes down, so that the `phx` driver has to build it.
    pub(crate) fn needs_program(&self) -> bool {
        matches!(
            self,
            Self::Preview(_)
                | Self::Up(_)
                | Self::Destroy(_)
                | Self::Refresh(_)
                | Self::Verify
                | Self::Check(_)
                | Self::Graph(_)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_shows_all_commands() {
        let help = Cli::command().term_width(100).render_help().to_string();
        insta::assert_snapshot!(help, @r"
        Infrastructure as code in Rust

        Usage: phx [OPTIONS] <COMMAND>

        Commands:
          new          Make a new project that builds and previews
          preview      Show what `up` would do; change nothing, not even state
          up           Create, change and delete until the cloud is as the program says
          destroy      Delete everything that the stack has
          refresh      Record what the cloud has
          drift        Show what someone else has changed in the cloud; change nothing, take no lease
          verify       Make the program's checks, as `up` does in the end; change nothing, take no lease
          check        Whether the program can be what it says, without a call; or the least IAM policy that
                       it takes
          state        What phx remembers, and where it is kept
          stack        Stacks, their outputs and their history
          lock         The lease that keeps two runs apart
          secret       Secrets that are configured for the stack, encrypted
          graph        The dependencies between the program's resources
          schema       Resource types and their fields
          sandbox      The embedded AWS emulator as a server, for other tools
          completions  Completions for a shell, to be sourced
          help         Print this message or the help of the given subcommand(s)

        Options:
          -h, --help     Print help
          -V, --version  Print version

        Everywhere:
              --stack <NAME>  The stack [env: PHX_STACK; else `stack` in phx.toml]
          -C <DIR>            The project's folder, instead of the current one
              --json          Machine output on stdout, people's output on stderr
          -y, --yes           Do not ask before a change
              --no-color      No colours [env: NO_COLOR]
          -v, --verbose       More: unchanged resources, whole values, each step's beginning
          -q, --quiet         Less: one line a step, no progress
              --state <URL>   Where state is kept [env: PHX_STATE; else `[state] url` in phx.toml; else
                              file://.phx]
              --sandbox       Run against the embedded AWS emulator; real AWS cannot be reached

        AWS credentials, profile, region and endpoint come from where the aws CLI has them (AWS_PROFILE,
        AWS_REGION, AWS_ENDPOINT_URL, …).
        Exit codes: 0 done, 1 error, 2 changes found (--detailed-exitcode), 3 leased by someone else, 5
        stale plan, 64 wrong usage, 130 interrupted.
        ");
    }

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("phx").chain(line.split_whitespace()))
    }

    #[test]
    fn scripts_may_write_it_in_these_ways() {
        let cli = parse("up --stack dev --refresh=false --target a --target b --parallel 4 --yes").unwrap();
        let Command::Up(up) = cli.command else { panic!() };
        assert!(!up.refreshing.refresh && cli.global.yes && up.parallel == Some(4));
        assert_eq!(up.targets.target, ["a", "b"]);
        assert_eq!(cli.global.stack.as_deref(), Some("dev"));

        for line in [
            "plan",
            "preview --detailed-exitcode",
            "-C x --json preview -C y",
            "--sandbox destroy",
            "graph --format json",
            "verify --json",
            "check",
            "check --permissions --operation all --refresh=false",
            "check --permissions --operation verify",
            "check --permissions --operation drift --orphans",
        ] {
            assert!(parse(line).unwrap().command.needs_program(), "{line}");
        }
        let Command::Up(up) = parse("up --plan p.plan --parallel 4").unwrap().command else { panic!() };
        assert_eq!(up.plan, Some(PathBuf::from("p.plan")));
        assert!(up.verify);
        let Command::Up(up) = parse("up --plan p.plan --verify=false").unwrap().command else { panic!() };
        assert!(!up.verify);
        let Command::Destroy(destroy) = parse("destroy --wait-lock 90s").unwrap().command else { panic!() };
        assert_eq!(destroy.waiting.wait_lock, Duration::from_secs(90));
        let Command::Refresh(refresh) = parse("refresh").unwrap().command else { panic!() };
        assert!(refresh.waiting.wait_lock.is_zero());
        let Command::Preview(preview) = parse("preview --refresh").unwrap().command else { panic!() };
        assert!(preview.refreshing.refresh);
        assert_eq!(parse("-C x preview -C y").unwrap().global.directory.unwrap(), PathBuf::from("y"));
        for line in [
            "state list",
            "state show urn",
            "state mv a b",
            "lock break",
            "stack outputs --show-secrets",
            "lock status",
            "schema aws_vpc",
        ] {
            assert!(!parse(line).unwrap().command.needs_program(), "{line}");
        }
        let Command::Drift(drift) = parse("drift --all --orphans --watch 10m").unwrap().command else { panic!() };
        assert!(drift.all && drift.orphans && drift.detailed_exitcode);
        assert_eq!((drift.watch, drift.listen.port()), (Some(Duration::from_secs(600)), 9464));
        let Command::Drift(drift) = parse("drift --detailed-exitcode=false").unwrap().command else { panic!() };
        assert!(!drift.detailed_exitcode && drift.watch.is_none());
        assert!(!parse("drift --detailed-exitcode").unwrap().command.needs_program());
        for line in [
            "drift --watch 9s",
            "drift --listen 127.0.0.1:1",
            "drift --notify ftp://x",
            "",
            "frobnicate",
            "up --paralell 3",
            "up --parallel 0",
            "state",
            "preview -v -q",
            "check --operation up",
            "check --orphans",
            "up --plan p --target a",
            "up --plan p --refresh=false",
            "up --plan p --replace a",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
