//! Asking before something is changed.

use anyhow::anyhow;

use super::wiring::Context;

/// Whether to go on. Without a terminal and without `--yes` nobody can be asked, and that is an error.
pub(super) fn confirm(cx: &Context, question: &str) -> anyhow::Result<bool> {
    if cx.ui.yes {
        return Ok(true);
    }
    if !cx.ui.can_ask() {
        return Err(anyhow!(
            "refused: there is no terminal to ask on, and `--yes` was not given; nothing was changed\n  hint: what would be asked is: {question}"
        ));
    }
    cx.ui.say(&format!("{question} Only `yes` goes on: "));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    if line.trim() == "yes" {
        return Ok(true);
    }
    cx.ui.say("Nothing was changed.\n");
    Ok(false)
}
