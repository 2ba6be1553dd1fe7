//! AWS as several emulators, each for the services that it serves as AWS does: which of them that is, a program is told as any AWS SDK is, by an
//! endpoint for each service.
//!
//! | service | emulator | since moto |
//! |---|---|---|
//! | Backup | ministack | has no selections |
//! | CloudWatch | phx's own sandbox | keeps no tags of dashboards |
//! | AWS Config | phx's own sandbox | keeps no tags of recorders |
//! | GuardDuty | phx's own sandbox | cannot tag a detector that is there |
//! | Budgets, Cost Explorer, S3 Control, Security Hub | phx's own sandbox | has none of it, or only the beginnings |
//! | EKS | none: only the sandbox, together with its own EC2, has all of it | has no add-ons, access entries and pod identities |
//! | all others | moto, behind a proxy that puts right what it forgets (`rightproxy.py`) | |

use std::path::Path;

use tempfile::TempDir;

use crate::emulator::{Emulator, Inventory};

/// The account of ministack and of the sandbox.
const ACCOUNT: &str = "000000000000";
/// The services that are the sandbox's, by the SDK's name for them.
const OF_THE_SANDBOX: [&str; 7] =
    ["BUDGETS", "CLOUDWATCH", "CONFIG_SERVICE", "COST_EXPLORER", "GUARDDUTY", "S3_CONTROL", "SECURITYHUB"];

/// Several emulators that together are one AWS. They end when this is dropped.
#[derive(Debug)]
pub struct Cloud {
    /// Before moto.
    proxy: Emulator,
    ministack: Emulator,
    sandbox: Emulator,
    _moto: Emulator,
    _folder: TempDir,
}

impl Cloud {
    /// Starts them, with nothing in them. The sandbox is that of a program's binary.
    pub fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let moto = Emulator::moto_of(ACCOUNT);
        let (proxy, ministack) = (Emulator::put_right(&moto), Emulator::ministack());
        Self { proxy, ministack, sandbox: Emulator::sandbox(program, folder.path()), _moto: moto, _folder: folder }
    }

    /// What a program has to have in its environment.
    pub fn settings(&self) -> Vec<(String, String)> {
        let mut settings = vec![
            ("AWS_ENDPOINT_URL".to_owned(), self.proxy.url()),
            ("AWS_ENDPOINT_URL_BACKUP".to_owned(), self.ministack.url()),
        ];
        settings.extend(OF_THE_SANDBOX.map(|service| (format!("AWS_ENDPOINT_URL_{service}"), self.sandbox.url())));
        settings
    }

    /// Where most services are.
    pub fn endpoint(&self) -> String {
        self.proxy.url()
    }

    /// All that exists, read by boto3.
    pub fn inventory(&self) -> Inventory {
        self.proxy.inventory_of_all(&self.settings())
    }
}
