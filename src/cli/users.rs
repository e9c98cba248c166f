//! `aecsad users`: who may look at the station's page, and who may act there.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use aecsad_program::inputs::InputPath;
use aecsad_program::standard_streams::{note, print_line};
use clap::{Args, Subcommand};

use super::{journal_folder, station_file};
use crate::cli::error::{Error, Result};
use crate::operator::{OperatorRecords, Origin};

#[derive(Args)]
pub struct UsersArgs {
    #[command(subcommand)]
    pub command: UsersCommand,
    /// The station file, whose section [journal] names the folder; if not given, station.toml here, else
    /// /etc/aecsad/station.toml
    #[arg(long, global = true, value_name = "FILE", default_value_os_t = station_file(), hide_default_value = true)]
    pub config: InputPath,
    /// The journal's folder, instead of the station file's
    #[arg(long, global = true, value_name = "DIR")]
    pub journal: Option<PathBuf>,
}

#[derive(Subcommand)]
pub enum UsersCommand {
    /// Add a user, or give one another password and right. The password is asked for, or read from standard input.
    Add {
        /// Letters, digits, dots, dashes and underscores
        name: String,
        /// The user may also act: set thresholds, review parts, flash, roll back, change over
        #[arg(long)]
        act: bool,
    },
    /// List the users and what they may do.
    List,
    /// Remove a user, and end the user's sessions.
    Remove { name: String },
}

pub fn run(args: &UsersArgs) -> Result<()> {
    let folder = journal_folder(&args.config, args.journal.as_deref())?;
    let records = OperatorRecords::open(&folder)?;
    let origin = Origin::command_line();
    match &args.command {
        UsersCommand::Add { name, act } => {
            let password = password()?;
            records.put_user(name, &password, *act, &origin)?;
            let right = if *act { "looks and acts" } else { "looks" };
            print_line(format_args!("{name} {right}"));
        }
        UsersCommand::List => {
            let users = records.users()?;
            if users.is_empty() {
                print_line("there are no users yet: `aecsad users add NAME --act` adds the first");
            }
            for user in users {
                let right = if user.acts { "looks and acts" } else { "looks" };
                print_line(format_args!("{:<40}  {right}", user.name));
            }
        }
        UsersCommand::Remove { name } => {
            records.remove_user(name, &origin)?;
            print_line(format_args!("{name} is removed"));
        }
    }
    Ok(())
}

/// Asks for a password twice on a terminal, without showing it; reads a line elsewhere.
fn password() -> Result<String> {
    if std::io::stdin().is_terminal() {
        let password = asked("password: ")?;
        if password != asked("again: ")? {
            return Err(Error::PasswordsDiffer);
        }
        return Ok(password);
    }
    line()
}

fn line() -> Result<String> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(Error::NoPassword)?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

fn asked(question: &str) -> Result<String> {
    use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
    let terminal = std::os::fd::AsRawFd::as_raw_fd(&std::io::stdin());
    let failed = |errno: nix::errno::Errno| Error::NoPassword(errno.into());
    let before = tcgetattr(terminal).map_err(failed)?;
    let mut hidden = before.clone();
    hidden.local_flags.remove(LocalFlags::ECHO);
    note(question);
    tcsetattr(terminal, SetArg::TCSANOW, &hidden).map_err(failed)?;
    let answer = line();
    tcsetattr(terminal, SetArg::TCSANOW, &before).map_err(failed)?;
    answer
}
